// Package collections describes what a snapshot reads of the tenant's directory: one file a
// collection, all that the program knows of it, as data. What reads, keeps, checks and documents
// collections asks this package, and no other place lists them.
package collections

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/directory/rules"
)

// all is made once. Nothing changes it.
var all = List{
	users(),
	usersWithoutActivity(),
	groupMembers(),
	applications(),
	servicePrincipals(),
	credentialUse(),
	applicationUse(),
	licences(),
	federatedCredentials(),
}

// All lists the collections in the order in which a snapshot reads them. It is the only list of
// them.
func All() List { return all }

// Collection is what the program knows of one collection.
type Collection struct {
	// Word is its name: in stored snapshots, answers, errors and logs, so it never changes.
	Word string
	// Title is what people call its objects; empty: Word. The id of the group follows where it is
	// read group by group.
	Title string
	// Resource is what the snapshot lacks where Graph refuses it; empty: Word. The id of the group
	// follows here, too.
	Resource string

	// How Graph has it.
	Path      string // below the endpoint; with {group} it is read for each group of the settings
	Query     string // what of it is asked for; empty: all
	Type      string // of the objects that are wanted, where there are others; empty: there are none
	Smaller   string // the same question in smaller pages, asked where a page lacks something; empty: none
	Activity  string // the query for the sign-in activity of users by their ids
	Reporting bool   // its pages count against Graph's reporting ceiling
	Uncounted bool   // Graph has no /$count of it
	// ByID is the query for objects by their ids; empty: Graph does not give them so.
	ByID string
	// Permissions read its pages, all of them together; Bare reads its ids and how many there are,
	// and is the same where it is empty.
	Permissions []Permission
	Bare        string
	// Beside are permissions for what only some tenants have.
	Beside []Permission

	// What a refusal means.
	InPlaceOf   string // the Word of the collection in whose place this one is read; empty: none
	AnyRefusal  bool   // a refusal that says nothing of permissions is one, too: the endpoint is beta
	Optional    bool   // answers do without it, and say so
	NoWait      bool   // whatever keeps it from being read, no snapshot waits for it
	Later       bool   // a version before may not have read it
	Consequence string // of its lack, for people

	// Keep makes of a page's objects what the snapshot keeps. It is called page by page, in order,
	// and again for a page of a run that was killed.
	Keep func(context.Context, Objects) ([]Kept, error)
	// Evidence is how what was kept is compared with what the snapshot before kept.
	Evidence  Evidence
	Partition string       // of what is compared, or copied where an older snapshot stands in
	Origin    rules.Origin // of the credentials that are compared
	// Mine tells which keys of the partition are the collection's, where others share it; nil: all.
	Mine func(key string) bool
}

// Permission is a Microsoft Graph application permission.
type Permission struct {
	Name    string
	For     string // what it reads
	Without string // what its lack means
	Setting bool   // needed only where a setting asks for it
	// Optional: the snapshot goes on without it, and says so.
	Optional bool
}

// Objects is one page of a collection.
type Objects struct {
	Items    [][]byte            // the JSON of each; not to be kept
	First    bool                // the collection begins with it, or begins anew
	Snapshot *directory.Snapshot // whose counts go on
	Group    *directory.Group    // of a collection that is read group by group
	// Again asks for the same page once more; read is not called where Graph refuses.
	Again func(ctx context.Context, read func(items [][]byte) error) error
	// Number tells the page from all others.
	Number int64
	// Kept finds what an earlier walk through the collection kept under a key; nil where it kept
	// nothing. It is nil itself where this is the first walk.
	Kept func(ctx context.Context, key string) ([]byte, error)
	// Part asks for a part of one object that a list leaves out; read is not called where Graph
	// refuses.
	Part func(ctx context.Context, p Part, read func(items [][]byte) error) error
	// Before is a row of the snapshot before; ok is false where it has none that can be read.
	Before func(ctx context.Context, partition, key string) (row directory.Row, ok bool)
	// Came tells of an object that came, but not in Items.
	Came func(id string)
}

// Part is what a list leaves out of one object.
type Part struct {
	ID    string // of the object
	Of    string // the list below it; empty: the object itself
	Query string
}

// Kept are rows for one partition of the snapshot.
type Kept struct {
	Partition string
	Rows      []directory.Row
}

// Evidence is how the rows of a collection are compared with those of the snapshot before.
type Evidence int

// The kinds of evidence.
const (
	NoEvidence   Evidence = iota // they are not compared
	ByUser                       // by the users' ids
	ByActivity                   // so, too; and a sign-in that only the snapshot before knows still counts
	ByMember                     // by the ids of a group's members
	ByCredential                 // by the credentials of applications and service principals
	ByUse                        // not compared; but a use that only the snapshot before knows still counts
)

// group is where the path has the group's id.
const group = "{group}"

// ByGroup tells whether it is read group by group.
func (c *Collection) ByGroup() bool { return strings.Contains(c.Path, group) }

// Permission names the permissions that read its pages, with "and" between.
func (c *Collection) Permission() string {
	names := make([]string, len(c.Permissions))
	for i, p := range c.Permissions {
		names[i] = p.Name
	}
	return strings.Join(names, " and ")
}

// BarePermission is the least permission that reads ids and how many there are.
func (c *Collection) BarePermission() string {
	return cmp.Or(c.Bare, c.Permission())
}

// IDAlone is the query for objects of which only the ids are wanted.
const IDAlone = "$select=id"

// MaxNamed is how many ids one question names.
const MaxNamed = 15

// Query names one collection, or one group's part of it.
type Query struct {
	Collection *Collection
	Group      string // of a collection that is read group by group
	Small      bool   // in smaller pages
}

// Path is the query's path below the endpoint, not escaped.
func (q Query) Path() string { return strings.ReplaceAll(q.Collection.Path, group, q.Group) }

// Title names what is asked for, for people.
func (q Query) Title() string { return cmp.Or(q.Collection.Title, q.Collection.Word) + q.Group }

// Resource is what the snapshot lacks where Graph refuses it.
func (q Query) Resource() string { return cmp.Or(q.Collection.Resource, q.Collection.Word) + q.Group }

// Key is by what the pages of a query are kept.
func (q Query) Key() string {
	if q.Group == "" {
		return q.Collection.Word
	}
	return q.Collection.Word + " " + q.Group
}

// Page is one page of a collection.
type Page struct {
	Items [][]byte // the JSON of each object; good until Free
	Next  string   // link to the next page; empty: this was the last
	Free  func()
}

// List is the collections of a snapshot, in the order in which they are read.
type List []*Collection

// Of finds a collection by its word.
func (l List) Of(word string) (*Collection, bool) {
	at := l.index(word)
	if at < 0 {
		return nil, false
	}
	return l[at], true
}

// After is the collection that is read after another one; nil: there is none.
func (l List) After(c *Collection) *Collection {
	rest := l[l.index(c.Word)+1:]
	if at := slices.IndexFunc(rest, func(c *Collection) bool { return c.InPlaceOf == "" }); at >= 0 {
		return rest[at]
	}
	return nil
}

// InPlaceOf is the collection that is read where another one is refused; nil: there is none.
func (l List) InPlaceOf(c *Collection) *Collection {
	if at := slices.IndexFunc(l, func(o *Collection) bool { return o.InPlaceOf == c.Word }); at >= 0 {
		return l[at]
	}
	return nil
}

func (l List) index(word string) int {
	return slices.IndexFunc(l, func(c *Collection) bool { return c.Word == word })
}
