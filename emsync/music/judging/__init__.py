"""What a piece is judged by: faults, heard mood, what a listener would notice."""
