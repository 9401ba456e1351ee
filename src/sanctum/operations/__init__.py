"""Operations: health and the routes that operators read."""
