"""The models of the library, one per module: each defines a `Memristor`, found by `spicecim.devices.library`."""
