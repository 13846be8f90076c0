"""VGG16: its layers and weights, how quickly they run, how far they see."""
