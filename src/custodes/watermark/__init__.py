"""The forensic mark: which viewing session a picture was shown to. Keys come from the warden; video from elsewhere."""
