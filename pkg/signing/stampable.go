package signing

import "context"

// stampable returns the documents for which a signature may be spent now. Those that need a
// timestamp wait while no authority gives one.
func (t *try) stampable(ctx context.Context, docs []preparedDoc) []preparedDoc {
	var ready []preparedDoc
	var waiting []Document
	for _, d := range docs {
		if d.Signature.Level == LevelB {
			ready = append(ready, d)
		} else {
			waiting = append(waiting, d.Document)
		}
	}
	if len(waiting) == 0 || t.s.cfg.TimestampReady == nil {
		return docs
	}
	if err := t.s.cfg.TimestampReady(ctx); err != nil {
		t.trouble(AsError(err), waiting...)
		return ready
	}
	return docs
}
