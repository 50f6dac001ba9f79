"""Run one training with one seed into a run folder, resume it, and open it again for reports and exports."""
