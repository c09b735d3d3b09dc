package hotfolder

import (
	"bytes"
	"slices"
	"strings"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// Tools for operators use these functions to read folders as the engine does.

// IsSidecar reports whether a file with that name holds settings for another file.
func IsSidecar(name string) bool {
	return strings.HasSuffix(name, sidecarSuffix) && name != sidecarSuffix
}

// Ignored reports whether files with that name are never signed. list are the patterns of
// Config.Ignored.
func Ignored(name string, list []string) bool {
	p := newPatterns(list)
	return p.match(name)
}

// HasEnd reports whether a file has the end that its content requires: the end of file marker of a
// PDF, or the closed root of an XML document. Other content needs none.
func HasEnd(f File) (bool, error) {
	kind, err := kindOf(f)
	if err != nil {
		return false, err
	}
	return hasEnd(f, kind)
}

// ReasonName returns the name of the text file that says why a document failed. If a document has
// that name too, the text file has a number.
func ReasonName(name string) string { return withSuffix(name, textSuffix) }

// MaxReasonBytes is more than a text file with a reason has.
const MaxReasonBytes = 64 << 10

// IsReason reports whether a text is one that the engine writes beside a document that failed. A
// text that is a document itself does not look like that.
func IsReason(text []byte) bool {
	line, rest, ok := bytes.Cut(text, []byte("\n"))
	if !ok || len(rest) > 0 || len(text) > MaxReasonBytes {
		return false
	}
	if string(line) == internalReason {
		return true
	}
	kind, _, ok := bytes.Cut(line, []byte(": "))
	return ok && slices.Contains(reasonKinds, signing.Kind(kind))
}

// reasonKinds are the kinds with which a reason begins. A text of somebody else may begin with
// another word and a colon, such as "total: 5".
var reasonKinds = []signing.Kind{
	signing.KindMissing, signing.KindInvalid, signing.KindMalformed, signing.KindTooLarge, signing.KindReferenceUsed,
	signing.KindKeyReused, signing.KindUnauthenticated, signing.KindNotFound, signing.KindNotEnded, signing.KindTooMany,
	signing.KindBusy, signing.KindHungUp, signing.KindVisible, signing.KindNotDocument, signing.KindDamaged,
	signing.KindEncrypted, signing.KindForbidden, signing.KindUnsupported, signing.KindTooComplex, signing.KindBroken,
	signing.KindProviderCredentials, signing.KindProviderAccount, signing.KindProvider, signing.KindConfiguration,
	signing.KindTimestamp, signing.KindRevocation, signing.KindCertificate, signing.KindStorage, signing.KindAltered,
}
