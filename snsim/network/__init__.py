"""What a network is: its layers, its connections and the forms that declare it."""
