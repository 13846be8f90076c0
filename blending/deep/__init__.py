"""The differentiable objective on pixels and VGG16 features."""
