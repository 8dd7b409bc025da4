"""Following objects through one camera's detections, in clock time. Columns in, columns out; no picture, no I/O."""
