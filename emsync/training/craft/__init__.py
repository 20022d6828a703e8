"""A corpus written by the rules of the craft: `python -m emsync.training.craft -o SHARDS`.

Small models become fluent on clean, varied data of a narrow kind (Eldan & Li 2023, TinyStories). A
piece is commissioned (`commission`: style, mood, tempo, hit points), planned (`form`), written part
by part (`composing` with `melody`, `accompaniment`, `basslines`, `drumming`) and spelled with its
labels, which are all known by construction (`pieces`).
"""
