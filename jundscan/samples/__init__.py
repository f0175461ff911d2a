"""Many tracks of one genome: their table, one scan of all of them, and the sites that any of them has."""
