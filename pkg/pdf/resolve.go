package pdf

import "math"

// resolver reads objects and checks their type. It has no state of its own; the loader does the
// work.
type resolver struct{ loader *loader }

// Get resolves o: it follows a reference to the newest version of the object, and returns any other
// object as it is. A reference to an object that is free, missing or of another generation is null
// (ISO 32000-2 7.3.10).
func (r resolver) Get(o Object) (Object, error) {
	for range maxRefChain {
		ref, ok := o.(Ref)
		if !ok {
			return o, nil
		}
		var err error
		if o, err = r.loader.load(ref); err != nil {
			return nil, err
		}
	}
	return nil, tooComplex("references are chained more than %d times", maxRefChain)
}

// Object returns the object that ref names. The result may be a reference again.
func (r resolver) Object(ref Ref) (Object, error) { return r.loader.load(ref) }

// Dict resolves o to a dictionary. It returns nil for null, and KindDamaged for anything else, also
// for a stream.
func (r resolver) Dict(o Object) (*Dict, error) {
	v, err := r.Get(o)
	if err != nil || v == nil {
		return nil, err
	}
	if dict, ok := v.(*Dict); ok {
		return dict, nil
	}
	return nil, damaged("%s is not a dictionary", describe(o))
}

// Array resolves o to an array. It returns nil for null, and KindDamaged for anything else.
func (r resolver) Array(o Object) (Array, error) {
	v, err := r.Get(o)
	if err != nil || v == nil {
		return nil, err
	}
	if a, ok := v.(Array); ok {
		return a, nil
	}
	return nil, damaged("%s is not an array", describe(o))
}

// DictAt is Dict for the value of a key of a dictionary. The error names the key.
func (r resolver) DictAt(of *Dict, key Name) (*Dict, error) {
	o := of.Get(key)
	v, err := r.Get(o)
	if err != nil || v == nil {
		return nil, err
	}
	if dict, ok := v.(*Dict); ok {
		return dict, nil
	}
	return nil, damaged("%s is not a dictionary", describeAt(key, o))
}

// ArrayAt is Array for the value of a key of a dictionary. The error names the key.
func (r resolver) ArrayAt(of *Dict, key Name) (Array, error) {
	o := of.Get(key)
	v, err := r.Get(o)
	if err != nil || v == nil {
		return nil, err
	}
	if a, ok := v.(Array); ok {
		return a, nil
	}
	return nil, damaged("%s is not an array", describeAt(key, o))
}

// Name resolves o to a name. It returns an empty name for anything else.
func (r resolver) Name(o Object) (Name, error) {
	v, err := r.Get(o)
	n, _ := v.(Name)
	return n, err
}

// Int resolves o to a whole number. It returns otherwise for anything else.
func (r resolver) Int(o Object, otherwise int64) (int64, error) {
	v, err := r.Get(o)
	if n, ok := v.(Number); ok {
		if i, ok := n.Int(); ok {
			return i, err
		}
	}
	return otherwise, err
}

// Rectangle resolves o to a rectangle (ISO 32000-2 7.9.5), whose corners may be given in any order.
// It returns false if o is not a rectangle.
func (r resolver) Rectangle(o Object) (Rectangle, bool, error) {
	v, err := r.Get(o)
	a, ok := v.(Array)
	if err != nil || !ok || len(a) != 4 {
		return Rectangle{}, false, err
	}
	var f [4]float64
	for i := range a {
		v, err := r.Get(a[i])
		if err != nil {
			return Rectangle{}, false, err
		}
		n, _ := v.(Number)
		if f[i], ok = n.Float(); !ok || math.Abs(f[i]) > 1e9 {
			return Rectangle{}, false, nil
		}
	}
	return Rectangle{min(f[0], f[2]), min(f[1], f[3]), max(f[0], f[2]), max(f[1], f[3])}, true, nil
}

// oneOrMore resolves an entry that is an array, or a single value that stands for an array of one.
func (r resolver) oneOrMore(o Object) (Array, error) {
	v, err := r.Get(o)
	if err != nil || v == nil {
		return nil, err
	}
	if a, ok := v.(Array); ok {
		return a, nil
	}
	return Array{v}, nil
}

func describe(o Object) string {
	if ref, ok := o.(Ref); ok {
		return "object " + ref.String()
	}
	return "an entry"
}

// describeAt describes the value of a key for an error. The key is a name that this program asked
// for, so it is safe to show.
func describeAt(key Name, o Object) string {
	if _, ok := o.(Ref); ok {
		return "/" + string(key) + ", " + describe(o) + ","
	}
	return "/" + string(key)
}
