package directory_test

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/directory/collections"
	"github.com/entraledger/entraledger/internal/entra"
)

// crowd is a tenant that has only users, in pages of a size. All but the first few have activity.
type crowd struct {
	*night
	users, size, blank int
	bend               func(link string, page collections.Page) collections.Page // how it distorts its pages
	silent             bool                                                      // no list by id has anybody
	// users who are counted, and no walk brings
	made *int
}

func (c crowd) Now(ctx context.Context) (time.Time, error) { return c.source.Now(ctx) }

func (c crowd) Objects(_ context.Context, q collections.Query, link string) (collections.Page, error) {
	page := collections.Page{Free: func() {}}
	if q.Collection.Word != collections.Users {
		return page, nil
	}
	at, _ := strconv.Atoi(link)
	for i := at; i < min(at+c.size, c.users); i++ {
		page.Items = append(page.Items, member(i, i >= c.blank))
	}
	if at+c.size < c.users {
		page.Next = strconv.Itoa(at + c.size)
	}
	if c.bend != nil {
		page = c.bend(link, page)
	}
	return page, nil
}

// member is the nth user of a crowd.
func member(n int, active bool) []byte {
	activity := ""
	if active {
		activity = `,"signInActivity":{"lastSuccessfulSignInDateTime":"2026-11-20T10:00:00Z"}`
	}
	return fmt.Appendf(nil, `{"id":"u%06d","userPrincipalName":"u%06d@x","createdDateTime":"2020-01-01T00:00:00Z"%s}`,
		n, n, activity)
}

func (c crowd) Count(_ context.Context, q collections.Query) (int64, error) {
	switch {
	case q.Collection.Word != collections.Users:
		return 0, nil
	case c.made != nil:
		return int64(c.users + *c.made), nil
	}
	return int64(c.users), nil
}

func (c crowd) Part(context.Context, collections.Query, collections.Part) (collections.Page, error) {
	return collections.Page{Free: func() {}}, nil
}

func (c crowd) Named(_ context.Context, _ collections.Query, ids []string) (collections.Page, error) {
	page := collections.Page{Free: func() {}}
	for _, id := range ids {
		if n, err := strconv.Atoi(id[1:]); err == nil && n < c.users && !c.silent {
			page.Items = append(page.Items, fmt.Appendf(nil, `{"id":%q}`, id))
		}
	}
	return page, nil
}

func (c crowd) Readable(context.Context, collections.Query) error { return nil }

func (c crowd) Activity(_ context.Context, _ collections.Query, ids []string) (collections.Page, error) {
	page := collections.Page{Free: func() {}}
	for _, id := range ids {
		if n, err := strconv.Atoi(id[1:]); err == nil && n < c.users {
			page.Items = append(page.Items, member(n, n >= c.blank))
		}
	}
	return page, nil
}

// cut ends walks early at a link, as often as times says.
func cut(at string, times *int) func(string, collections.Page) collections.Page {
	return func(link string, page collections.Page) collections.Page {
		if link == at && *times > 0 {
			*times--
			page.Next = ""
		}
		return page
	}
}

func TestOfASecondLookAtAPageOnlyTheActivityIsTaken(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		second                    [][]byte
		users                     int
		active, inactive, unknown int
	}{
		"it is empty":           {nil, 60, 40, 0, 20},
		"it has fewer":          {[][]byte{member(3, true)}, 60, 41, 19, 0},
		"it has others":         {[][]byte{member(3, false), member(100, true)}, 61, 41, 20, 0},
		"it has no activity":    {[][]byte{member(3, false)}, 60, 40, 0, 20},
		"it has somebody twice": {[][]byte{member(100, true), member(100, false)}, 61, 41, 20, 0},
	} {
		subtest(t, name, func(t *testing.T) {
			n := newNight(t)
			asked := 0
			bend := func(link string, page collections.Page) collections.Page {
				if link == "" {
					if asked++; asked == 2 {
						page.Items = c.second
					}
				}
				return page
			}
			n.from = crowd{night: n, users: 60, size: 20, blank: 20, bend: bend}
			snap := n.whole(0)
			require.Equal(t, 2, asked)
			require.Empty(t, snap.Undisclosed)
			require.EqualValues(t, c.users, snap.Users)
			got := make(map[string]int)
			for _, u := range n.users(directory.UserQuery{Days: 30}, 999) {
				got[u.State]++
			}
			require.Equal(t, []int{c.active, c.inactive, c.unknown},
				[]int{got[directory.Active], got[directory.Inactive], got[directory.Unknown]})
		})
	}
}

func TestWhomOnlyTheSecondLookBringsHasCome(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		n := newNight(t)
		asked := 0
		bend := func(link string, page collections.Page) collections.Page {
			if link == "" {
				if asked++; asked == 1 {
					page.Items = page.Items[:19]
				}
			}
			return page
		}
		n.from = crowd{night: n, users: 60, size: 20, blank: 20, bend: bend}
		n.whole(0)
		require.Equal(t, 60, n.everybody())
		require.Equal(t, 2, asked, "the count agrees, and nothing is walked again")
	})
}

func TestAWalkWithoutItsLastPageIsSeenWhereTheCountIsALittleGreater(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		n := newNight(t)
		times := 1
		n.from = crowd{night: n, users: 2010, size: 500, bend: cut("1500", &times)}
		snap := n.whole(0)
		require.Zero(t, times)
		require.Empty(t, snap.Undisclosed)
		require.EqualValues(t, 2010, snap.Users)
		require.EqualValues(t, 4+1+5+1+2*2+2*2+1+2, snap.GraphRequests, "a walk more, and a count")
	})
}

func TestACountThatIsALittleGreaterIsForgivenWhereASecondWalkBringsTheSame(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		n := newNight(t)
		made := 0
		n.from = crowd{night: n, users: 2010, size: 500, made: &made}
		once := n.whole(0).GraphRequests
		require.EqualValues(t, 5+1+2*2+2*2+1+2, once, "each of two empty reports is walked twice")

		n = newNight(t)
		made = 12
		n.from = crowd{night: n, users: 2010, size: 500, made: &made}
		snap := n.whole(0)
		require.Empty(t, snap.Undisclosed)
		require.EqualValues(t, once+5+1, snap.GraphRequests)
	})
}

func TestASecondWalkThatTakesSeveralRunsIsNoStall(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		n := newNight(t)
		made, asked := 12, 0
		bend := func(_ string, page collections.Page) collections.Page {
			if asked++; asked > 11 {
				time.Sleep(18 * time.Second)
			}
			return page
		}
		n.from = crowd{night: n, users: 2010, size: 200, made: &made, bend: bend}
		for run := range 3 {
			summary, err := n.fire(time.Duration(run) * 10 * time.Minute)
			require.NoError(t, err)
			require.Contains(t, summary, "users, at users; the next run goes on", "run %d", run)
			require.Equal(t, "reading", n.shown().Status)
		}
		require.Empty(t, n.whole(40*time.Minute).Undisclosed)
	})
}

func TestWalksThatBringOthersEachTimeAreSaidToBeUnconfirmed(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		n := newNight(t)
		made, walks := 12, 0
		bend := func(link string, page collections.Page) collections.Page {
			if link == "" {
				walks++
				page.Items = append(page.Items, member(5000+walks, true))
			}
			return page
		}
		n.from = crowd{night: n, users: 2010, size: 500, made: &made, bend: bend}
		snap := n.whole(0)
		require.Equal(t, 3, walks)
		require.Len(t, snap.Undisclosed, 1)
		require.Equal(t, "all users", snap.Undisclosed[0].What)
		require.Equal(t, entra.CodeBrokenAnswer, snap.Undisclosed[0].Code)
		require.Equal(t, "confirm that all users were read: 2013 came in 3 walks, the last of which differ, "+
			"and Graph counts 2022; compare the number with what the portal shows", snap.Undisclosed[0].Message)
	})
}

func TestASecondWalkThatBringsLessConfirmsNothing(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		n := newNight(t)
		walks := 0
		n.from = crowd{night: n, users: 2010, size: 500,
			bend: func(link string, page collections.Page) collections.Page {
				if link == "" {
					walks++
				}
				if walks == 1 && link == "1500" || walks == 2 && link == "1000" {
					page.Next = ""
				}
				return page
			}}
		require.EqualValues(t, 2010, n.whole(0).Users)
		require.Equal(t, 3, walks)
	})
}

func TestASnapshotAfterOneThatWasShortSaysSoTooUntilTheCountAgrees(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		n := newNight(t)
		times := 1000
		n.from = crowd{night: n, users: 90, size: 50, bend: cut("", &times)}
		_, err := n.fire(0)
		require.Error(t, err)
		require.Len(t, n.whole(3*time.Hour+time.Minute).Undisclosed, 1)
		for night := range 3 {
			snap := n.whole(time.Duration(night+1) * day)
			require.Len(t, snap.Undisclosed, 1)
			require.Equal(t, "all users", snap.Undisclosed[0].What)
			require.Contains(t, snap.Undisclosed[0].Message, "3 walks brought 50, and Graph counts 90")
			require.Equal(t, 50, n.everybody())
		}
		times = 1
		require.Empty(t, n.whole(4*day).Undisclosed)
		require.Equal(t, 90, n.everybody())
	})
}

// TestAWalkThatIsWorseThanADoubtedSnapshotDoesNotReplaceIt: who was there before is there by name.
func TestAWalkThatIsWorseThanADoubtedSnapshotDoesNotReplaceIt(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		n := newNight(t)
		times := 1000
		n.from = crowd{night: n, users: 90, size: 30, bend: cut("30", &times)}
		_, err := n.fire(0)
		require.Error(t, err)
		n.whole(3*time.Hour + time.Minute)
		require.Equal(t, 60, n.everybody())
		n.from = crowd{night: n, users: 90, size: 30, bend: cut("", &times)}
		_, err = n.fire(day)
		require.ErrorContains(t, err, "of 30 that were there before and did not come, 30 are there "+
			"when asked for by id")
		require.Equal(t, 60, n.everybody())
	})
}

func TestAReportOfUseThatWasInDoubtIsWalkedUntilNothingNewComes(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		n := newQuickNight(t)
		walks, growing := 0, true
		n.from = bent{quick{n}, func(q collections.Query, link string, page collections.Page) (collections.Page,
			error) {
			if q.Collection.Word == collections.CredentialUse && link == "" {
				if walks++; growing {
					page.Items = append(page.Items, fmt.Appendf(nil, `{"id":"more%d"}`, walks))
				}
			}
			return page, nil
		}}
		for night := range 2 {
			snap := n.whole(time.Duration(night) * day)
			require.Len(t, snap.Undisclosed, 1)
			require.Equal(t, "all credentialUse", snap.Undisclosed[0].What)
		}
		walks, growing = 0, false
		require.Empty(t, n.whole(2*day).Undisclosed)
		require.Equal(t, 2, walks)
		require.Empty(t, n.whole(3*day).Undisclosed)
		require.Equal(t, 3, walks, "and then it is known")
	})
}

func TestAFewWhoAreGoneByAnEmptyListForTheirIDsAreCounted(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		n := newNight(t)
		n.from = crowd{night: n, users: 2010, size: 500}
		n.whole(0)
		times := 1
		n.from = crowd{night: n, users: 2010, size: 500, silent: true, bend: cut("1500", &times)}
		snap := n.whole(day)
		require.Zero(t, times)
		require.Empty(t, snap.Undisclosed)
		require.EqualValues(t, 2010, snap.Users)
	})
}
