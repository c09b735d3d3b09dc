package main

import (
	"context"

	"github.com/signstash-proxy/signstash-proxy/pkg/xades"
)

// judgeXML judges the signatures in an XML document.
func judgeXML(ctx context.Context, f openFile, rules verifyRules) (*fileReport, error) {
	found, err := xades.Verify(ctx, f, xades.VerifyOptions{Roots: rules.roots})
	if err != nil {
		return nil, err
	}
	r := &fileReport{}
	for i := range found {
		r.signatures = append(r.signatures, reportOfXML(&found[i]))
	}
	return r, nil
}

var xadesVerdicts = map[xades.Verdict]verdict{
	xades.Valid: valid, xades.Undetermined: cannotBeJudged, xades.Invalid: notValid,
}

var xadesCoverages = map[xades.Coverage]string{
	xades.CoversDocument: "the whole document without its signatures",
	xades.CoversElement:  "one element of the document, not all of it",
	xades.CoversObject:   "an object inside the signature, not the document around it",

	xades.CoversSignature: "the signature that it countersigns",
}

func reportOfXML(s *xades.Signature) signatureReport {
	out := signatureReport{
		kind: "signature", name: s.ID, verdict: xadesVerdicts[s.Verdict], format: "XAdES", level: s.Level,
		certificate: s.Certificate, claimed: s.SigningTime, stamped: s.Stamped,
	}
	if !s.Judged.IsZero() {
		out.setJudged(s.Judged)
	}
	switch s.Verdict {
	case xades.Valid:
		out.covers = xadesCoverages[s.Covers]
	case xades.Invalid:
		out.add(wordFault, s.Reason)
	default:
		out.add(wordUnknown, s.Reason)
	}
	out.add(wordNote, s.Notes...)
	return out
}
