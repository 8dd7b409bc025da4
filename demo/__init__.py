"""The demo of a source checkout: real footage from registry packages, a real RTSP server, an ordinary site."""
