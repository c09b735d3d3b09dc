package signing

import "context"

// preparer computes what must be signed for the documents of one attempt. It is safe for concurrent
// use.
type preparer struct {
	cfg     *Config
	inputs  inputs
	cpu     slots
	results *results
}

// preparedDoc is a document that is ready to be sent to the provider.
type preparedDoc struct {
	Document
	digest []byte
}

// prepare computes and stores what must be signed with c. It returns the prepared documents. The
// others have failed or are left.
func (p *preparer) prepare(ctx context.Context, c *Credential, docs []Document) []preparedDoc {
	prepared := make([]Prepared, len(docs))
	errs := make([]error, len(docs))
	p.cpu.each(ctx, len(docs), func(i int) { prepared[i], errs[i] = p.prepareOne(ctx, c, docs[i]) })

	var out []preparedDoc
	var save []PreparedDocument
	for i, d := range docs {
		if errs[i] != nil {
			continue
		}
		out = append(out, preparedDoc{Document: d, digest: prepared[i].Digest})
		save = append(save, PreparedDocument{Ref: d.Ref, Prepared: prepared[i]})
	}
	p.results.failAll(ctx, docs, errs)
	if len(save) == 0 {
		return nil
	}
	if err := p.cfg.Store.SavePrepared(ctx, save); err != nil {
		p.results.leave(storageError(err))
		return nil
	}
	return out
}

func (p *preparer) prepareOne(ctx context.Context, c *Credential, d Document) (prepared Prepared, err error) {
	defer panicToError(&err)
	format, in, err := p.inputs.open(ctx, d)
	if err != nil {
		return prepared, err
	}
	defer in.File.Close()
	prepared, err = format.Prepare(ctx, in, c)
	prepared.Certificate = c.Serial()
	return prepared, diskFault(in.File, err)
}
