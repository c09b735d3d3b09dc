package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/signstash-proxy/signstash-proxy/pkg/cades"
)

// judgeCMS judges the signatures in a .p7m or .p7s file. The content of a detached signature is the
// file that --content names, or else the file of the same name without ".p7s".
func judgeCMS(ctx context.Context, f openFile, rules verifyRules) (*fileReport, error) {
	options := cades.VerifyOptions{Roots: rules.roots}
	found, err := cades.Verify(ctx, f, options)
	if err != nil {
		return nil, err
	}
	if found.Attached {
		if rules.content != "" {
			return nil, errors.New("the file contains its content, so --content cannot name another one")
		}
		return reportOfCMS(found, "the content in the file", ""), nil
	}
	path := rules.content
	if path == "" {
		path = contentPath(f.Name())
	}
	content, err := openContent(path, rules.content != "")
	if err != nil {
		return nil, err
	}
	if content == nil {
		hint := "--content FILE names the signed file"
		if path != "" {
			hint = fmt.Sprintf("there is no file %s; %s", path, hint)
		}
		return reportOfCMS(found, "", hint), nil
	}
	defer content.Close()
	options.Content = content
	if found, err = cades.Verify(ctx, f, options); err != nil {
		return nil, err
	}
	return reportOfCMS(found, path, ""), nil
}

// contentPath returns the name of a detached signature without ".p7s", or an empty string.
func contentPath(signature string) string {
	extension := filepath.Ext(signature)
	if !strings.EqualFold(extension, ".p7s") {
		return ""
	}
	return strings.TrimSuffix(signature, extension)
}

// openContent opens the content of a detached signature. It returns nil if the file does not exist
// and need not.
func openContent(path string, must bool) (*openFile, error) {
	if path == "" {
		return nil, nil
	}
	f, err := open(path)
	if errors.Is(err, os.ErrNotExist) && !must {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open content %s: %s", path, cause(err))
	}
	return &f, nil
}

var cadesVerdicts = map[cades.Verdict]verdict{
	cades.Valid: valid, cades.Undetermined: cannotBeJudged, cades.Invalid: notValid,
}

// reportOfCMS reports about the signatures over a content. It adds hint, if there is one, to those
// that cannot be judged.
func reportOfCMS(found *cades.Report, content, hint string) *fileReport {
	r := &fileReport{}
	for i := range found.Signatures {
		s := &found.Signatures[i]
		out := signatureReport{
			kind: "signature", verdict: cadesVerdicts[s.Verdict()], format: "CAdES", level: s.Level,
			certificate: s.Certificate, claimed: s.SigningTime, stamped: s.Stamped,
		}
		if !s.Judged.IsZero() {
			out.setJudged(s.Judged)
		}
		if content != "" {
			out.covers = fmt.Sprintf("%s (%d bytes)", content, found.ContentSize)
		}
		out.add(wordFault, s.Faults...)
		out.add(wordUnknown, s.Unjudged...)
		out.add(wordNote, s.Notes...)
		if hint != "" && out.verdict == cannotBeJudged {
			out.add(wordNote, hint)
		}
		r.signatures = append(r.signatures, out)
	}
	return r
}
