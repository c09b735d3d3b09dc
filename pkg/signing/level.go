package signing

// CheckSources refuses a level that is not known, or that needs timestamps or revocation data when
// the service has none. Errors are of KindInvalid, KindTimestamp or KindRevocation.
func (l Level) CheckSources(timestamps, revocation bool) error {
	switch l {
	case LevelB:
	case LevelT, LevelLT, LevelLTA:
		if !timestamps {
			return Errorf(KindTimestamp, "timestamps are not configured")
		}
		if !revocation && l != LevelT {
			return Errorf(KindRevocation, "revocation data is not configured")
		}
	default:
		return Errorf(KindInvalid, "level %q is not known", l)
	}
	return nil
}
