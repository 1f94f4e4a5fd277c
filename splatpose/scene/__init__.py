"""The values that flow from stage to stage; nothing here computes.

    photos -> Capture -> MatchGraph -> SparseModel -> Verdicts
                                       SparseModel -> Views -> TrainedSplats -> outputs

Conventions everywhere: `cam_from_world`, OpenCV axes (+x right, +y down, +z forward),
quaternions wxyz, the centre of the top-left pixel at (0.5, 0.5). Shapes: V views, P pairs,
K keypoints, M matches, T tracks, O observations, N Gaussians, H W pixels.
"""
