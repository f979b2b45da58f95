// SPDX-License-Identifier: Apache-2.0

// verify [-against NOTE] [-pruned NOTE] MIRROR [RECEIPT...]: checks a copy of a log with the Go team's sumdb packages.
//
// MIRROR holds key, checkpoint, and tile/ as they are served, bundles of entries included. The entries must give the
// signed root, and the tiles be those of the entries; -against is a head that must be contained;
// a receipt is a tlog-proof of this log, with what opens its entry or without. Of a pruned log -pruned is the head with which its last pruned epoch ended: MIRROR
// then holds what is served from there on (C2SP tlog-tiles, "Pruning"), and the log must extend that head. Exit code 0: all of it holds, and what each
// receipt is of; 1: it does not, with the reason and what it is about.
package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const height = 8

// The leaf, and what follows it in a receipt: r, then the detail in clear. The leaf ends with HMAC-SHA256(r, detail).
const (
	leafLen  = 94
	kindAt   = 1
	commitAt = 62
	rLen     = 32
)

type mirror string

// Their paths name the height; C2SP's leave it out.
func path(t tlog.Tile) string {
	return strings.Replace(t.Path(), fmt.Sprintf("tile/%d/", height), "tile/", 1)
}

// Every hash of the tree, recomputed from the entries.
type store []tlog.Hash

func (s store) ReadHashes(at []int64) ([]tlog.Hash, error) {
	var out []tlog.Hash
	for _, i := range at {
		if i < 0 || i >= int64(len(s)) {
			return nil, errors.New("the tree is larger than its entries")
		}
		out = append(out, s[i])
	}
	return out, nil
}

func (m mirror) read(name string) []byte {
	return readFile(filepath.Join(string(m), name))
}

func readFile(name string) []byte {
	data, err := os.ReadFile(name)
	check(err)
	return data
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "verify:", err)
		os.Exit(1)
	}
}

// The error says what it is about: a refusal of one thing must not pass for that of another.
func checkOf(what string, err error) {
	if err != nil {
		check(fmt.Errorf("%s: %w", what, err))
	}
}

func open(text []byte, v note.Verifier) (tlog.Tree, error) {
	n, err := note.Open(text, note.VerifierList(v))
	if err != nil {
		return tlog.Tree{}, err
	}
	lines := strings.Split(n.Text, "\n")
	if len(lines) != 4 || lines[0] != v.Name() {
		return tlog.Tree{}, errors.New("not a checkpoint of this log")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return tlog.Tree{}, err
	}
	hash, err := tlog.ParseHash(lines[2])
	return tlog.Tree{N: size, Hash: hash}, err
}

func bundlePath(index, size int64) string {
	t := tlog.Tile{H: height, L: 0, N: index, W: 1 << height}
	if left := size - index<<height; left < 1<<height {
		t.W = int(left)
	}
	return strings.Replace(t.Path(), fmt.Sprintf("tile/%d/0/", height), "tile/entries/", 1)
}

// The entries give the signed root.
func checkEntries(m mirror, tree tlog.Tree) store {
	var s store
	var i int64
	for i < tree.N {
		data := m.read(bundlePath(i>>height, tree.N))
		for end := (i>>height + 1) << height; i < end && i < tree.N; i++ {
			if len(data) < 2 || len(data) < 2+int(binary.BigEndian.Uint16(data)) {
				check(fmt.Errorf("entry %d is missing", i))
			}
			n := 2 + int(binary.BigEndian.Uint16(data))
			hashes, err := tlog.StoredHashes(i, data[2:n], s)
			check(err)
			s = append(s, hashes...)
			data = data[n:]
		}
		if len(data) != 0 {
			check(fmt.Errorf("bytes behind entry %d", i-1))
		}
	}
	root, err := tlog.TreeHash(tree.N, s)
	check(err)
	if root != tree.Hash {
		check(errors.New("the entries do not give the signed root"))
	}
	return s
}

// The tiles are those of the entries.
func checkTiles(m mirror, tree tlog.Tree, s store) {
	for level := 0; tree.N>>(height*level) > 0; level++ {
		n := tree.N >> (height * level)
		for i := int64(0); i<<height < n; i++ {
			t := tlog.Tile{H: height, L: level, N: i, W: 1 << height}
			if left := n - i<<height; left < 1<<height {
				t.W = int(left)
			}
			mine, err := tlog.ReadTileData(t, s)
			check(err)
			if !bytes.Equal(mine, m.read(path(t))) {
				check(fmt.Errorf("%s is not the tile of these entries", path(t)))
			}
		}
	}
}

// The tiles of the mirror, as tlog reads them: each is checked against the signed root before it is used.
type tiles struct{ m mirror }

func (t tiles) Height() int { return height }

func (t tiles) ReadTiles(want []tlog.Tile) ([][]byte, error) {
	var out [][]byte
	for _, one := range want {
		data, err := os.ReadFile(filepath.Join(string(t.m), path(one)))
		if err != nil {
			return nil, err
		}
		out = append(out, data)
	}
	return out, nil
}

func (t tiles) SaveTiles([]tlog.Tile, [][]byte) {}

// Entries from the minimum index on are those of the tiles, the tiles give the signed root, and the tree extends the
// one that was pruned.
func checkPruned(m mirror, tree, old tlog.Tree) tlog.HashReader {
	hashes := tlog.TileHashReader(tree, tiles{m})
	if old.N > tree.N || old.N%(1<<height) != 0 {
		check(errors.New("an epoch does not end where this one is said to"))
	}
	proof, err := tlog.ProveTree(tree.N, old.N, hashes)
	check(err)
	check(tlog.CheckTree(proof, tree.N, tree.Hash, old.N, old.Hash))
	for i := old.N; i < tree.N; {
		data := m.read(bundlePath(i>>height, tree.N))
		for end := (i>>height + 1) << height; i < end && i < tree.N; i++ {
			if len(data) < 2 || len(data) < 2+int(binary.BigEndian.Uint16(data)) {
				check(fmt.Errorf("entry %d is missing", i))
			}
			n := 2 + int(binary.BigEndian.Uint16(data))
			have, err := hashes.ReadHashes([]int64{tlog.StoredHashIndex(0, i)})
			check(err)
			if have[0] != tlog.RecordHash(data[2:n]) {
				check(fmt.Errorf("entry %d is not the one in its tile", i))
			}
			data = data[n:]
		}
	}
	return hashes
}

// What an entry is of: its kind and, if the opening is there, the detail it commits to.
func opened(leaf, opening []byte) (string, error) {
	if len(opening) == 0 {
		return fmt.Sprintf("kind %d, not opened", leaf[kindAt]), nil
	}
	if len(opening) < rLen {
		return "", errors.New("the opening is too short")
	}
	mac := hmac.New(sha256.New, opening[:rLen])
	mac.Write(opening[rLen:])
	if !hmac.Equal(mac.Sum(nil), leaf[commitAt:leafLen]) {
		return "", errors.New("the entry does not commit to this detail")
	}
	return fmt.Sprintf("kind %d: %s", leaf[kindAt], opening[rLen:]), nil
}

func checkReceipt(text string, v note.Verifier) (string, error) {
	head, signed, found := strings.Cut(text, "\n\n")
	lines := strings.Split(head, "\n")
	if !found || len(lines) < 3 || lines[0] != "c2sp.org/tlog-proof@v1" {
		return "", errors.New("not a tlog-proof")
	}
	extra, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(lines[1], "extra "))
	if err != nil || len(extra) < leafLen {
		return "", errors.New("no entry in the receipt")
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[2], "index "), 10, 64)
	if err != nil {
		return "", err
	}
	var proof tlog.RecordProof
	for _, line := range lines[3:] {
		h, err := tlog.ParseHash(line)
		if err != nil {
			return "", err
		}
		proof = append(proof, h)
	}
	tree, err := open([]byte(signed), v)
	if err != nil {
		return "", err
	}
	if err := tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(extra[:leafLen])); err != nil {
		return "", err
	}
	return opened(extra[:leafLen], extra[leafLen:])
}

func main() {
	against := flag.String("against", "", "an older head that must be contained")
	pruned := flag.String("pruned", "", "the head with which the last pruned epoch ended")
	flag.Parse()
	m := mirror(flag.Arg(0))
	v, err := note.NewVerifier(strings.TrimSpace(string(m.read("key"))))
	checkOf("key", err)
	tree, err := open(m.read("checkpoint"), v)
	checkOf("checkpoint", err)
	var hashes tlog.HashReader
	if *pruned == "" {
		all := checkEntries(m, tree)
		checkTiles(m, tree, all)
		hashes = all
	} else {
		old, err := open(readFile(*pruned), v)
		checkOf("pruned head", err)
		hashes = checkPruned(m, tree, old)
	}
	if *against != "" {
		old, err := open(readFile(*against), v)
		checkOf("older head", err)
		if old.N > tree.N {
			check(fmt.Errorf("the log once had %d entries, now %d: its end was cut", old.N, tree.N))
		}
		proof, err := tlog.ProveTree(tree.N, old.N, hashes)
		check(err)
		checkOf("older head", tlog.CheckTree(proof, tree.N, tree.Hash, old.N, old.Hash))
	}
	for _, path := range flag.Args()[1:] {
		what, err := checkReceipt(string(readFile(path)), v)
		checkOf("receipt", err)
		fmt.Println(what)
	}
	fmt.Printf("%d entries, %d receipts\n", tree.N, flag.NArg()-1)
}
