"""What training the head and torso fields shares: fast operations, film frames, rays, occupancy."""
