package xades

// manifestType is the type of a reference to a list of further references (XML Signature 1.1
// section 5.1).
const manifestType = dsNamespace + "Manifest"

// coverage returns the most that a reference to data covers. It examines all of them. A signature
// is valid only if there can be no doubt about what it covers: the whole document around it, the
// objects inside it if nothing else is in the document, or the signature that it countersigns.
func (j *judge) coverage() Coverage {
	f := j.found
	seen := sighting{signed: make([]bool, len(f.objects))}
	for i := range j.references {
		r := &j.references[i]
		if !r.properties && r.named {
			j.cover(&seen, i+1, r)
		}
	}
	if f.counts[pManifest] > 0 {
		j.giveUp("it has a manifest, whose references are not judged")
	} else {
		j.checkObjects(&seen)
	}
	switch {
	case seen.document:
		return CoversDocument
	case seen.part > 0:
		j.giveUp("reference %d names another part of the document", seen.part)
		return CoversNothing
	case seen.element:
		j.giveUp("it covers one element of the document, not all of it")
		return CoversElement
	case seen.object && (f.around != nil || j.content):
		j.giveUp("it covers an object inside it, not the document around it")
		return CoversObject
	case seen.object:
		return CoversObject
	case seen.signature:
		return CoversSignature
	}
	j.giveUp("it covers no part of the document")
	return CoversNothing
}

// checkObjects examines the objects inside the signature that no reference signs. An attacker can
// add one. If it stands in front of a signed object, a reader may take it for the signed one.
func (j *judge) checkObjects(seen *sighting) {
	last := 0 // the last one that is signed
	for i := range seen.signed {
		if seen.signed[i] {
			last = i
		}
	}
	for i, o := range j.found.objects {
		switch {
		case seen.signed[i], o.properties && o.children == 1:
		case o.properties:
			j.giveUp("the object with its properties has another element, which is signed by no reference")
		case i < last:
			j.refuse("an object in front of the signed one is signed by no reference")
		default:
			j.giveUp("an object inside it is signed by no reference")
		}
	}
	if j.found.misordered {
		j.refuse("its parts are in the wrong order")
	}
}

// sighting is what the references of a signature cover.
type sighting struct {
	document, element, object, signature bool

	part   int    // the first reference that names a part of the document elsewhere; 0 = none
	signed []bool // for each object: a reference names it or something inside it
}

// cover notes what the reference covers. n counts from 1.
func (j *judge) cover(seen *sighting, n int, r *plannedReference) {
	f, e := j.found, r.element
	switch {
	case e == nil:
		seen.document = seen.document || r.uri == "" && f.depth > 1
	case e.count != 1: // checkReferences has the reason
	case e.start < f.start && e.end >= f.end:
		seen.document = seen.document || e.depth == 1
		seen.element = true
	case f.contains(e):
		j.coverInside(seen, n, r)
	case e.object:
		j.refuse("reference %d names an object that is not a child of the signature", n)
	case f.around != nil && e.start == f.around.signatureValue:
		seen.signature = true
	case r.part.omits || r.leavesOut:
		// The element had the signature inside when it was signed.
		j.refuse("reference %d leaves out the signature, but names an element that does not contain it", n)
	case seen.part == 0:
		seen.part = n
	}
}

// coverInside notes what a reference to something inside the signature covers.
func (j *judge) coverInside(seen *sighting, n int, r *plannedReference) {
	f, e := j.found, r.element
	for i, o := range f.objects {
		if e.start < o.start || e.end > o.end {
			continue
		}
		own := e.start == o.start                               // the object itself
		only := !own && e.depth == f.depth+2 && o.children == 1 // all that is in it
		switch {
		case r.kind == manifestType && !own && e.depth != f.depth+2, e.object && !own:
			j.refuse("reference %d names an object that is not a child of the signature", n)
		case r.part.omits || r.leavesOut:
			j.refuse("reference %d leaves out the signature, but names an element inside it", n)
		case !o.properties:
			seen.signed[i] = true
			seen.object = seen.object || own || only
		}
		return
	}
}
