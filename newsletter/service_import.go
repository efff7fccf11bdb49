package newsletter

import (
	"context"
	"encoding/binary"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

const (
	chunkRows   = 2000            // lines that are taken, or not, together: 500 would write the indexes' pages half again as often
	sampleRows  = 20              // records looked at when the header names no address column
	burst       = 50              // confirmations mailed at once; the others follow one by one
	confirmStep = 1 * time.Second // between two of them: an import must not look like a spammer's burst
)

// ImportOptions say what a file is and what its readers become.
type ImportOptions struct {
	File          string // its name, for the record
	Format        string // auto (also ""), or one of ImportFormats
	As            ImportAs
	ConsentSource string // the evidence of consent; active readers need it
	DryRun        bool
	OnProgress    func(Import) // called after each chunk, in the same goroutine
}

func (o *ImportOptions) judge() error {
	var faults Faults
	if o.As == "" {
		o.As = ImportActive
	}
	if o.Format == "" {
		o.Format = "auto"
	}
	if !slices.Contains([]ImportAs{ImportActive, ImportPending, ImportUnsubscribed, ImportSuppressed}, o.As) {
		faults = append(faults, invalid("as", "active, pending, unsubscribed, suppressed 가운데 하나로 정해 주세요."))
	}
	if !slices.Contains(ImportFormats(), o.Format) {
		faults = append(faults, invalid("format", "모르는 형식이에요. 쓸 수 있는 형식: "+strings.Join(ImportFormats(), ", ")))
	}
	source, err := CleanLine(o.ConsentSource, 500)
	switch {
	case err != nil:
		faults = append(faults, at("consent_source", err))
	case source == "" && o.As == ImportActive:
		faults = append(faults, invalid("consent_source", "구독자들의 동의를 어디서 어떻게 받았는지 적어 주세요. 근거가 없으면 pending으로 가져와서 확인 메일을 보낼 수 있어요."))
	}
	o.ConsentSource = source
	o.File = harmless(o.File[strings.LastIndexAny(o.File, `/\`)+1:], 120)
	return faults.Err()
}

// ImportSubscribers brings readers in from a file; see RunImport. Errors: Faults (as, format, consent_source); Invalid
// (file) when there is no column of addresses; what reading or the store say. Refused lines are no error: Import.Rejected
// counts them.
func (s *Service) ImportSubscribers(ctx context.Context, actor string, r io.Reader, o ImportOptions) (Import, error) {
	i, err := s.StartImport(ctx, actor, o)
	if err != nil {
		return Import{}, err
	}
	return s.RunImport(ctx, i.ID, r, o)
}

// StartImport judges the options and records the run, which RunImport then does.
func (s *Service) StartImport(ctx context.Context, actor string, o ImportOptions) (Import, error) {
	if err := o.judge(); err != nil {
		return Import{}, err
	}
	i := Import{
		State: "running", File: o.File, Format: o.Format, As: o.As, ConsentSource: o.ConsentSource, DryRun: o.DryRun, SeenAt: s.opt.Now(), CreatedAt: s.opt.Now(),
	}
	err := s.update(ctx, func(tx Tx) error {
		i.ID = 0
		if err := tx.PutImport(ctx, &i); err != nil {
			return err
		}
		detail := fmt.Sprintf("%s as %s", i.File, i.As)
		if i.DryRun {
			detail += ", dry run"
		}
		return s.audit(ctx, tx, actor, "import", importName(i.ID), detail)
	})
	if err != nil {
		return Import{}, fmt.Errorf("start import: %w", err)
	}
	return i, nil
}

// RunImport reads the file of a started import and takes its readers in chunks of 2,000 lines, each wholly or not at all. It holds no more
// of the file than one chunk. Running a file again changes nothing that is there already, so a run that broke off is
// resumed by starting anew. Nobody who left or is suppressed is revived. A dry run judges every line and saves
// nothing but its own report.
func (s *Service) RunImport(ctx context.Context, id int64, r io.Reader, o ImportOptions) (Import, error) {
	if err := o.judge(); err != nil {
		return Import{}, err
	}
	run, err := s.Import(ctx, id)
	if err != nil {
		return Import{}, err
	}
	if run.State != "running" {
		return run, &Error{Kind: Conflict, Code: "state", Msg: "이미 끝난 가져오기예요."}
	}
	i := &importer{s: s, run: run, onProgress: o.OnProgress, seen: map[uint64]int64{}}
	err = i.read(ctx, r)
	i.run.State, i.run.DoneAt = "done", s.opt.Now()
	if err != nil {
		i.run.State, i.run.Error = "failed", explain(err)
	}
	// The report is kept even if whoever waited for it has gone.
	last := s.update(context.WithoutCancel(ctx), func(tx Tx) error {
		final := i.run
		if err := tx.PutImport(context.WithoutCancel(ctx), &final); err != nil {
			return err
		}
		return bumpIf(context.WithoutCancel(ctx), tx, !final.DryRun)
	})
	s.opt.Wake()
	if err = errors.Join(err, last); err != nil {
		return i.run, fmt.Errorf("import %s: %w", i.run.File, err)
	}
	return i.run, nil
}

// explain says why an import stopped, in words that may be shown.
func explain(err error) string {
	var e *Error
	switch {
	case errors.As(err, &e) && e.Msg != "":
		return e.Msg
	case errors.Is(err, context.Canceled):
		return errImportStopped
	}
	return "파일을 끝까지 읽지 못했어요. 같은 파일을 다시 가져오면 이어서 해요."
}

const errImportStopped = "중간에 멈췄어요. 같은 파일을 다시 가져오면 이어서 해요."

// Import returns one run. One whose process died is failed after ten minutes.
func (s *Service) Import(ctx context.Context, id int64) (Import, error) {
	i, err := get(ctx, s, func(tx Tx) (Import, error) { return tx.Import(ctx, id) })
	return i.judged(s.opt.Now()), err
}

// ImportRejects writes the refused lines of a run as CSV: line, value, reason. Cells are safe to open in Excel.
func (s *Service) ImportRejects(ctx context.Context, id int64, w io.Writer) error {
	if _, err := s.Import(ctx, id); err != nil {
		return err
	}
	out := csv.NewWriter(w)
	if err := out.Write([]string{"line", "value", "reason"}); err != nil {
		return err
	}
	for after := int64(0); ; {
		rows, err := get(ctx, s, func(tx Tx) ([]Reject, error) { return tx.Rejects(ctx, id, after, 500) })
		if err != nil {
			return fmt.Errorf("list rejects of import %d: %w", id, err)
		}
		for _, r := range rows {
			if err := out.Write([]string{fmt.Sprint(r.Line), safeCell(r.Value), safeCell(r.Reason)}); err != nil {
				return err
			}
			after = r.Line
		}
		out.Flush()
		if err := out.Error(); err != nil || len(rows) == 0 {
			return err
		}
	}
}

// importer is one run over one file.
type importer struct {
	s          *Service
	run        Import
	onProgress func(Import)

	layout  layout
	seen    map[uint64]int64 // the first 8 bytes of an address's key → the line it was met in
	rows    []importRow      // of this chunk
	refused []Reject         // of this chunk
	count   int64            // lines of this chunk
	asked   int              // confirmations queued so far
}

// read goes over the file once.
func (i *importer) read(ctx context.Context, r io.Reader) error {
	file, err := newCSVReader(r)
	if err != nil {
		return err
	}
	early, err := i.begin(file)
	if err != nil {
		return err
	}
	for {
		var rec record
		if len(early) > 0 {
			rec, early = early[0], early[1:]
		} else if rec, err = file.next(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
		i.take(rec)
		if i.count >= chunkRows {
			if err := i.flush(ctx); err != nil {
				return err
			}
		}
	}
	return i.flush(ctx)
}

// begin finds the layout and returns the records that it had to read for that.
func (i *importer) begin(file *csvReader) ([]record, error) {
	var first record
	for {
		var err error
		if first, err = file.next(); errors.Is(err, io.EOF) {
			return nil, &Error{Kind: Invalid, Field: "file", Code: "empty", Msg: "파일이 비어 있어요."}
		} else if err != nil {
			return nil, err
		}
		if first.fault == "" {
			break
		}
		i.take(first)
	}
	var early []record
	for len(early) < sampleRows {
		rec, err := file.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		early = append(early, rec)
	}
	var err error
	if i.layout, err = layoutOf(first.cells, early); err != nil {
		return nil, err
	}
	if i.run.Format == "auto" || i.layout.format != "plain" {
		i.run.Format = i.layout.format
	}
	if i.layout.first {
		early = append([]record{first}, early...)
	}
	return early, nil
}

// take judges one record and keeps it for the chunk, as a row or as a refused line.
func (i *importer) take(rec record) {
	i.count++
	refuse := func(value, reason string) {
		i.refused = append(i.refused, Reject{Line: rec.line, Value: harmless(value, 100), Reason: reason})
	}
	if rec.fault != "" {
		refuse(rec.raw[:min(len(rec.raw), 400)], rec.fault)
		return
	}
	row, reason := i.layout.row(rec, i.run)
	if reason != "" {
		refuse(row.shown, reason)
		return
	}
	row.key = i.s.keyOf(row.reader.Email)
	row.reader.AddrKey = row.key
	first, again := i.seen[short(row.key)]
	if again {
		refuse(row.shown, fmt.Sprintf("%d번째 줄에 같은 주소가 있어요.", first))
		return
	}
	i.seen[short(row.key)] = rec.line
	i.rows = append(i.rows, row)
}

// short is enough of a key to tell the addresses of one file apart: among a million, two collide in one of 10⁷ files.
func short(k AddressKey) uint64 {
	var b [8]byte
	_, _ = hex.Decode(b[:], []byte(k[:min(16, len(k))])) // a key is hex of our own making
	return binary.BigEndian.Uint64(b[:])
}

func importName(id int64) string { return fmt.Sprintf("import:%d", id) }
