"""Operations on planes of pixels: filters, colour spaces, masks."""
