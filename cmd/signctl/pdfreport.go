package main

import (
	"context"
	"fmt"

	"github.com/signstash-proxy/signstash-proxy/pkg/pades"
)

// judgePDF judges the signatures in a PDF.
func judgePDF(ctx context.Context, f openFile, rules verifyRules) (*fileReport, error) {
	found, err := pades.Verify(ctx, f, f.size, pades.VerifyOptions{Roots: rules.roots})
	if err != nil {
		return nil, err
	}
	return reportOfPDF(found), nil
}

var padesVerdicts = map[pades.Verdict]verdict{
	pades.Unsigned: unsigned, pades.Good: valid, pades.CannotBeJudged: cannotBeJudged, pades.Broken: notValid,
}

var padesSources = map[pades.TimeSource]string{
	pades.OwnTime: sourceOwn, pades.StampedTime: sourceStamped, pades.ClaimedTime: sourceClaimed,
	pades.VerifyTime: sourceNow,
}

func reportOfPDF(found *pades.Report) *fileReport {
	r := &fileReport{}
	for i := range found.Signatures {
		s := &found.Signatures[i]
		out := signatureReport{
			kind: "signature", name: s.Field, verdict: padesVerdicts[s.Verdict()], format: "PAdES", level: s.Level,
			certificate: s.Certificate, claimed: s.Claimed, stamped: s.Stamped,
			judged: s.Judged, source: padesSources[s.JudgedBy], covers: "the whole file",
		}
		if s.Timestamp {
			out.kind = "document timestamp"
		}
		if !s.Whole {
			out.covers = fmt.Sprintf("the first %d of %d bytes", s.End, found.Size)
		}
		out.add(wordFault, s.Faults...)
		out.add(wordUnknown, s.Unjudged...)
		out.add(wordTampered, s.Tampered...)
		out.add(wordChanged, s.Changes...)
		out.add(wordNote, s.Notes...)
		r.signatures = append(r.signatures, out)
	}
	return r
}
