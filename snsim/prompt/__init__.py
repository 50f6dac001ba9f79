"""The prompt: forms typed one after the other into one program, with words to train and examine what they declare."""
