package affinity

// Instance returns the instance with an ordinal. The error has KindBusy, and names the instance, if
// its address is not known, or if no directory was read yet.
func (f *Forwarder) Instance(ordinal int) (*Published, error) { return f.peers.instance(ordinal) }

// Missing is the error for an instance that must be asked and does not answer. It has KindBusy and
// names the instance. Its RetryAfter follows from how long the instance has been silent.
func (f *Forwarder) Missing(ordinal int) error {
	if err := f.Unread(); err != nil {
		return err
	}
	return f.peers.missing(ordinal)
}

// Unread is the error while the other instances are not known, because no directory was read yet.
// It is nil otherwise. It has KindBusy.
func (f *Forwarder) Unread() error {
	if _, known := f.peers.source.Directory(); !known {
		return f.peers.noDirectory()
	}
	return nil
}

// NameOf returns the name of the instance with an ordinal, even if its address is not known.
func (f *Forwarder) NameOf(ordinal int) string { return f.peers.nameOf(ordinal) }

// instance is Forwarder.Instance.
func (p *peers) instance(ordinal int) (*Published, error) {
	d, known := p.source.Directory()
	if !known {
		return nil, p.noDirectory()
	}
	if peer, ok := d.find(ordinal); ok {
		return &peer, nil
	}
	return nil, p.missing(ordinal)
}
