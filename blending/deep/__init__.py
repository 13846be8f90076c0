"""The differentiable objective on VGG16 features and pixels."""
