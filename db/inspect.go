package db

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Refused tells why a file is not opened, and what to do. It was left untouched.
type Refused struct {
	Path, Why, Fix string
}

func (e *Refused) Error() string {
	return fmt.Sprintf("the database %s is not opened: %s; %s", e.Path, e.Why, e.Fix)
}

const restoreIt = "restore the newest backup with `techissue restore FILE`"

// inspect looks at the files before SQLite does, because SQLite mends silently: it
// begins an empty database where one is missing, and reads a WAL only as far as it is
// whole. fs.ErrNotExist means a new house. unclean tells that the last one to have the
// database open did not close it; only who is alone can know.
func inspect(path string, alone bool) (unclean bool, err error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, newOrLost(path)
	}
	if err != nil {
		return false, fmt.Errorf("open the database: %w", err)
	}
	if info.Size() == 0 {
		return false, &Refused{path, "it has 0 bytes, so its content is lost", restoreIt + ", or delete the file to begin an empty house"}
	}
	head := make([]byte, 100)
	if err := readHead(path, head); err != nil {
		return false, &Refused{path, "its header cannot be read (" + err.Error() + ")", restoreIt}
	}
	if !bytes.HasPrefix(head, []byte("SQLite format 3\x00")) {
		return false, &Refused{path, "it is no SQLite database, or its header is damaged", restoreIt}
	}
	if !alone {
		return false, nil
	}
	wal, walErr := os.Stat(path + "-wal")
	journal, journalErr := os.Stat(path + "-journal")
	unclean = walErr == nil && wal.Size() > 0 || journalErr == nil && journal.Size() > 0
	if !unclean {
		if err := whole(path, info.Size(), head); err != nil {
			return false, err
		}
	}
	return unclean, walWhole(path)
}

// newOrLost tells a new house from one whose database was lost.
func newOrLost(path string) error {
	folder, base := filepath.Split(path)
	entries, err := os.ReadDir(folder)
	if err != nil {
		return fmt.Errorf("open the database: %w", err)
	}
	for _, e := range entries {
		name := e.Name()
		trace := name == base+"-wal" || name == base+"-shm" || name == base+"-journal" || name == "leavers.log" ||
			strings.Contains(name, backupMark) || strings.HasSuffix(name, ".db") && !strings.HasPrefix(name, ".")
		if trace {
			return &Refused{path, "it is missing, but " + name + " stands beside its place, so it may be lost",
				restoreIt + ", or move the other files away to begin an empty house"}
		}
	}
	return fmt.Errorf("the database %s: %w", path, fs.ErrNotExist)
}

func readHead(path string, into []byte) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.ReadFull(f, into)
	return err
}

// whole compares the file's size with the one in its header (file format, 1.3.8). Only
// without a WAL: a checkpoint that was cut short writes the header first.
func whole(path string, size int64, head []byte) error {
	page := int64(binary.BigEndian.Uint16(head[16:]))
	if page == 1 {
		page = 65536
	}
	want := page * int64(binary.BigEndian.Uint32(head[28:]))
	inHeader := bytes.Equal(head[24:28], head[92:96]) // otherwise the size in the header is not kept
	if inHeader && size < want {
		return &Refused{path, fmt.Sprintf("it was cut off: %d bytes of %d are there", size, want), restoreIt}
	}
	return nil
}

// walWhole compares the WAL with its index, the -shm file, which outlives a killed
// process: every commit that the index knows and no checkpoint has moved must be
// readable. After a power cut the index may be older than the WAL, never newer,
// because a commit is synced before the index tells of it.
func walWhole(path string) error {
	index := make([]byte, 136)
	if readHead(path+"-shm", index) != nil || index[12] != 1 {
		return nil // no index, nothing to compare
	}
	frames := binary.NativeEndian.Uint32(index[16:])
	moved := binary.NativeEndian.Uint32(index[96:])
	if frames <= moved {
		return nil
	}
	fix := restoreIt + ", or, to go on without what is lost, delete " + path + "-shm"
	have, sameWAL, err := walFrames(path+"-wal", index[32:40])
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &Refused{path, "its -wal file, which holds the latest commits, is missing", fix}
	case err != nil:
		return &Refused{path, "its -wal file, which holds the latest commits, is damaged (" + err.Error() + ")", fix}
	case sameWAL && have < frames:
		return &Refused{path, fmt.Sprintf("its -wal file, which holds the latest commits, is damaged: %d of %d pages are whole", have, frames), fix}
	}
	return nil
}

// walFrames counts the frames that SQLite would read (file format, 4.1 to 4.4): up to
// the last commit before the chain of checksums breaks. sameWAL tells whether the
// file still is the one that carries this salt.
func walFrames(path string, salt []byte) (frames uint32, sameWAL bool, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, false, err
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 1<<16)
	head := make([]byte, 32)
	if _, err := io.ReadFull(r, head); err != nil {
		return 0, false, err
	}
	var order binary.ByteOrder = binary.LittleEndian
	magic := binary.BigEndian.Uint32(head)
	if magic&1 == 1 {
		order = binary.BigEndian
	}
	size := binary.BigEndian.Uint32(head[8:])
	sum := walSum{order: order}
	sum.add(head[:24])
	if magic&^1 != 0x377f0682 || !sum.is(head[24:]) || size < 512 || size > 65536 {
		return 0, false, errors.New("bad header")
	}
	if !bytes.Equal(head[16:24], salt) {
		return 0, false, nil
	}
	frame := make([]byte, 24+size)
	for n := uint32(1); ; n++ {
		if _, err := io.ReadFull(r, frame); err != nil || !bytes.Equal(frame[8:16], salt) {
			return frames, true, nil
		}
		sum.add(frame[:8])
		sum.add(frame[24:])
		if !sum.is(frame[16:]) {
			return frames, true, nil
		}
		if binary.BigEndian.Uint32(frame[4:]) != 0 {
			frames = n
		}
	}
}

// walSum is the running checksum of a WAL (file format, 4.2).
type walSum struct {
	order  binary.ByteOrder
	s0, s1 uint32
}

func (s *walSum) add(b []byte) {
	for ; len(b) >= 8; b = b[8:] {
		s.s0 += s.order.Uint32(b) + s.s1
		s.s1 += s.order.Uint32(b[4:]) + s.s0
	}
}

func (s *walSum) is(b []byte) bool {
	return s.s0 == binary.BigEndian.Uint32(b) && s.s1 == binary.BigEndian.Uint32(b[4:])
}
