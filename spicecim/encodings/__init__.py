"""Schemes by which weights and inputs become crossbars and drives, and waveforms become products again."""
