"""Offer a prompt: forms typed one after the other into one program, with words to train and examine nets."""
