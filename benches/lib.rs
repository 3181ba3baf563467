//! What it costs, against what: the measurements live in `benches/`.
