"""Head models: identity and motion in, mesh out; and the conversions between AUs, the ARKit rig and FLAME."""
