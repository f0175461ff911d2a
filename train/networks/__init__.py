"""The MLP, the CNN and the LSTM as they are trained, and what they compute from sequence."""
