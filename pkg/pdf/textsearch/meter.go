package textsearch

// meter counts the work of one search and ends the search when the work exceeds a limit. All of its
// errors are KindTooComplex.
type meter struct{ limits, spent budget }

// operator counts one operator.
func (m *meter) operator() error {
	if m.spent.operators++; m.spent.operators > m.limits.operators {
		return tooComplex("its pages have more than %d operators", m.limits.operators)
	}
	return nil
}

// shown counts n characters of shown strings.
func (m *meter) shown(n int) error {
	if m.spent.shown += n; m.spent.shown > m.limits.shown {
		return tooComplex("its pages show more than %d characters", m.limits.shown)
	}
	return nil
}

// form counts one form XObject that is drawn.
func (m *meter) form() error {
	if m.spent.forms++; m.spent.forms > m.limits.forms {
		return tooComplex("its pages draw more than %d form XObjects", m.limits.forms)
	}
	return nil
}

// content counts n decoded bytes.
func (m *meter) content(n int) error {
	if m.spent.content += int64(n); m.spent.content > m.limits.content {
		return tooComplex("its content streams contain more than %d bytes", m.limits.content)
	}
	return nil
}

// stream counts one opened stream.
func (m *meter) stream() error {
	if m.spent.streams++; m.spent.streams > m.limits.streams {
		return tooComplex("its pages have more than %d streams", m.limits.streams)
	}
	return nil
}
