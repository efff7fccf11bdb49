package smtptest

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Record is a line of Config.LogFile. A letter has a line "accepted", written before its
// 250, and a second one "unanswered" when that 250 could not be written.
type Record struct {
	Event     string    `json:"event"`
	Seq       int       `json:"seq"`
	Time      time.Time `json:"time"`
	Conn      int       `json:"conn"`
	From      string    `json:"from"`
	Rcpt      []string  `json:"rcpt"`
	MessageID string    `json:"message_id"`
	Size      int       `json:"size"`
}

// ReadLog reads what a server, perhaps in another process, wrote. A last line that is
// still being written is left out.
func ReadLog(path string) ([]Record, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var all []Record
	for r := bufio.NewReader(f); ; {
		line, err := r.ReadBytes('\n')
		if err != nil {
			return all, nil
		}
		var rec Record
		if err := json.Unmarshal(line, &rec); err != nil {
			return all, fmt.Errorf("%s: %w", path, err)
		}
		all = append(all, rec)
	}
}

// sink keeps accepted letters outside the process. Its caller holds the server's lock.
type sink struct {
	log *os.File
	dir string
}

func openSink(logFile, dir string) (*sink, error) {
	k := &sink{dir: dir}
	if dir != "" {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
	}
	if logFile != "" {
		f, err := os.OpenFile(logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return nil, err
		}
		k.log = f
	}
	return k, nil
}

func (k *sink) accepted(m Message) error {
	if k.dir != "" && m.Data != nil {
		name := filepath.Join(k.dir, fmt.Sprintf("%08d.eml", m.Seq))
		if err := os.WriteFile(name, m.Data, 0o600); err != nil {
			return err
		}
	}
	return k.write("accepted", m)
}

func (k *sink) unanswered(m Message) { _ = k.write("unanswered", m) }

func (k *sink) write(event string, m Message) error {
	if k.log == nil {
		return nil
	}
	b, err := json.Marshal(Record{event, m.Seq, m.At, m.Conn, m.From, m.To, m.MessageID, m.Size})
	if err != nil {
		return err
	}
	_, err = k.log.Write(append(b, '\n')) // one write: a reader never sees half a line and the next one
	return err
}

func (k *sink) close() error {
	if k.log == nil {
		return nil
	}
	if err := k.log.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return err
	}
	return nil
}
