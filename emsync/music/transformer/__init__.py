"""EMSYNC's own composer: the transformer, its tokens, its decoding, its weights."""
