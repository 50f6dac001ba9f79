"""The prompt (`snsim repl`) and the notebook: forms typed one after the other, with words to train and examine nets."""
