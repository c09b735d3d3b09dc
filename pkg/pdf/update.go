package pdf

// Update is an incremental update (ISO 32000-2 7.5.6) that is being prepared: new and changed
// objects of a document.
type Update struct {
	d       *Document
	first   int // first new object number
	next    int // next new object number
	objects map[Ref]Object
	order   []Ref
}

// NewUpdate starts an update of d. New objects get numbers above all numbers that d lists or
// counts.
func NewUpdate(d *Document) (*Update, error) {
	next := 1
	for _, s := range d.xref.sections {
		size, ok := small(s.trailer.Get("Size"), maxObjects)
		if !ok {
			return nil, damaged("a trailer has no usable /Size")
		}
		next = max(next, size, s.top())
	}
	if next > maxObjects-1024 {
		return nil, tooComplex("it leaves no room for new objects")
	}
	return &Update{d: d, first: next, next: next, objects: map[Ref]Object{}}, nil
}

// Document is the document that is updated.
func (u *Update) Document() *Document { return u.d }

// Reserve returns the reference of a new object. Put sets its value.
func (u *Update) Reserve() Ref {
	ref := Ref{Number: u.next}
	u.next++
	return ref
}

// Add adds a new object and returns its reference.
func (u *Update) Add(o Object) Ref {
	ref := u.Reserve()
	u.Put(ref, o)
	return ref
}

// Put sets the value of the object that ref names: a reserved object, or an object of the document,
// which it replaces. An object of an object stream is replaced by an object of its own.
func (u *Update) Put(ref Ref, o Object) {
	if _, ok := u.objects[ref]; !ok {
		u.order = append(u.order, ref)
	}
	u.objects[ref] = o
}

// Get is Document.Get, but it returns the objects of the update if it has them.
func (u *Update) Get(o Object) (Object, error) {
	for range maxRefChain {
		ref, ok := o.(Ref)
		if !ok {
			return o, nil
		}
		if v, ok := u.objects[ref]; ok {
			o = v
			continue
		}
		return u.d.Get(ref)
	}
	return nil, tooComplex("references are chained more than %d times", maxRefChain)
}

// EditDict returns a copy of the dictionary that ref names. The copy is already Put, so changes to
// it are written. A key that occurs twice in the file is KindDamaged, because readers differ in
// which value they use.
func (u *Update) EditDict(ref Ref) (*Dict, error) {
	v, err := u.Get(ref)
	if err != nil {
		return nil, err
	}
	dict, ok := v.(*Dict)
	if !ok {
		return nil, damaged("object %s is not a dictionary", ref)
	}
	if key, dup := dict.Duplicate(); dup {
		return nil, damaged("object %s has the key /%s twice", ref, string(key))
	}
	if _, mine := u.objects[ref]; mine {
		return dict, nil
	}
	dict = dict.Clone()
	u.Put(ref, dict)
	return dict, nil
}

// Bytes writes the section to append. It starts with an end of line if the file does not end with
// one.
func (u *Update) Bytes() ([]byte, error) {
	a := &appender{u: u, src: u.d.src, xref: u.d.xref, crypt: u.d.loader.crypt}
	a.w.base = u.d.Size()
	if err := a.section(); err != nil {
		return nil, err
	}
	return a.w.buf.Bytes(), nil
}
