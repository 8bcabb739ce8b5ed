"""Weights held in a device's binary state and the frequency of the sinusoid that reads it.

After J. K. Eshraghian et al., Analog Weights in ReRAM DNN Accelerators, AICAS 2019, 267-271,
doi:10.1109/AICAS.2019.8771550, of which the abstract is known here. What it leaves open was chosen:

read
    One cycle from a written state: the weight is then a function of state, frequency and amplitude alone.
phase
    First half cycle away from the state that is held: the second half brings drift back exactly; the other way round,
    one read swaps its state.
weight
    Mean ``|i|`` over mean ``|v|``, or the in-phase or the mean current on that scale: what a rectifying, a synchronous
    or an integrating readout sees.
levels
    Evenly spaced in conductance over the monotone band, half a percent of its range left out at either end: a product
    needs a conductance in proportion to the weight, and at the ends the frequency runs away.
lowest level
    What it conducts, times the pixels, is subtracted digitally: no frequency makes a device an insulator.
pixel
    Amplitude in proportion, frequency co-scaled: exact for drift, with longer reads of dark pixels.
sign
    A pass for either sign, each driving the rows of that sign: one device per weight.
columns
    A pass per output: the frequency is the row's, and all columns share it.
rows
    One after the other, or at once by tones that are no harmonics of each other: rectified currents do not add,
    in-phase ones do, up to their harmonics.
"""
