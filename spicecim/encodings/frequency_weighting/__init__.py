"""Weights held in a device's binary state and the frequency of the sinusoid that reads it.

J. K. Eshraghian et al., Analog Weights in ReRAM DNN Accelerators, AICAS 2019, 267-271,
doi:10.1109/AICAS.2019.8771550. Device, voltages, frequencies and readouts are choices of this project.
"""
