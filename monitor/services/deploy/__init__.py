"""The swap: green beside blue, judged, switched, drained, recorded."""
