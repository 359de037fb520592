"""Learning a network from somebody's own pictures: what it sees, its motifs, how it is taught."""
