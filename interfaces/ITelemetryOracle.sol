// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

/// @title What the machines did, as a quorum signed it
/// @notice Attestors of a set sign, per window of time, the Merkle root of one report per capacity
/// and epoch. One signature quorum stands for a whole fleet.
/// @dev Window `k` of a set holds the epochs that end in (k·W, (k + 1)·W], W = `windowLength`
/// seconds, counted from the Unix epoch. So an epoch has exactly one window. With E = (k + 1)·W its
/// end, P, F and V the set's posting period, finality delay and reveal period, and all times half
/// open:
///
///     first root      taken while  E ≤ now < E + P
///     posted at t     final from   t + F on; until then the guardian may veto it
///     second root     taken, once the first was vetoed, while  now < E + 2·P + F
///     reports         shown while a root is final and  now < S = E + 2·(P + F) + V
///     late penalties  added while  S ≤ now < S + V
///
/// A second veto, or no root in time, is a blackout for good. S lies after the last moment at which
/// a root can become final by V at least, wherever within its time a root was posted or vetoed.
///
/// A root is kept without its last 40 bits, beside the time at which it is final, so that whoever
/// settles reads one word. To show a report that was not signed one must then find a path of hashes
/// that ends in 216 given bits: 2^216 trials, as good as for the whole word. Who writes the reports
/// himself, and wants two trees under one root, needs 2^108 trials; it would take a quorum's
/// signatures besides, and a quorum can sign what it likes without them. The event has all 256 bits.
interface ITelemetryOracle {
    /// @notice What one capacity did in one epoch: a leaf of the tree.
    /// @dev As it stands in the tree it is keccak256(bytes.concat(keccak256(abi.encode(report)))), and
    /// pairs are hashed sorted, as OpenZeppelin's StandardMerkleTree does; see ReportLeaf. An inner
    /// node is one hash of two words, a leaf a hash of one, so no node can pass for a leaf. Reports
    /// stand in the order of (epoch, capacity), so that a multiproof lists them as they are settled.
    /// The oracle knows roots only: it is for the reader of a report to check its path and bounds.
    /// @param capacity The capacity.
    /// @param epoch The epoch of that capacity.
    /// @param uptimeBps Share of the epoch in which it ran, in bps, at most 10,000.
    /// @param loadBps Mean load while it ran, in bps, at most 10,000.
    /// @param energyWh Energy used, in watt-hours, below 2^48.
    /// @param curtailed Whether the grid operator asked for the pause.
    struct Report {
        uint256 capacity;
        uint24 epoch;
        uint16 uptimeBps;
        uint16 loadBps;
        uint256 energyWh;
        bool curtailed;
    }

    /// @notice What attestors sign: the reports of one window of one set.
    /// @param setId The set.
    /// @param window The window.
    /// @param root Merkle root of the window's reports; its first 216 bits are not all zero.
    /// @param capacities How many distinct capacities the reports speak of, at least 1.
    /// @param penalized How many of these are in penalty in at least one epoch, at most `capacities`.
    /// @param leavesURI Where the reports are published; best content-addressed.
    /// @param attempt How many roots of this window were vetoed before, 0 or 1. Signatures under a
    /// root that was vetoed, or that competed with it, are worth nothing after the veto.
    struct TelemetryRoot {
        uint256 setId;
        uint256 window;
        bytes32 root;
        uint32 capacities;
        uint32 penalized;
        string leavesURI;
        uint8 attempt;
    }

    /// @notice A member's signature. Sorted by `signer`, strictly rising, in every list.
    /// @param signer The member: a key, or a contract that answers ERC-1271.
    /// @param signature 65 bytes (r, s, v) or 64 bytes (EIP-2098) of a key, s in the lower half of its
    /// range; whatever a contract wants.
    struct Attestation {
        address signer;
        bytes signature;
    }

    /// @notice The rules of a set, fixed for good. Every period is 1 hour … 30 days.
    /// @param windowLength Seconds in a window.
    /// @param postingPeriod Seconds after a window's end in which its root can be posted.
    /// @param finalityDelay Seconds after its posting in which a root can be vetoed.
    /// @param revealPeriod Seconds for which reports can be shown at least, however late the root;
    /// and again for as long, penalties that were held back can be added.
    /// @param massShareBps The share of capacities in penalty, in bps, above which a window's
    /// penalties are held: 1 … 10,000. At 10,000 none ever are.
    /// @param massMinimum The number of capacities in penalty below which none are held, 1 … 65,535.
    /// @param massDelay Seconds from finality on for which such penalties are held.
    struct SetConfig {
        uint24 windowLength;
        uint24 postingPeriod;
        uint24 finalityDelay;
        uint24 revealPeriod;
        uint16 massShareBps;
        uint16 massMinimum;
        uint24 massDelay;
    }

    /// @notice How a window stands. The first two fields are the word that settlement reads; the
    /// second word stays zero, and costs nothing, where nothing is vetoed or held. The counts that
    /// were signed are in the event.
    /// @param root The first 216 bits of the root that stands; zero if none.
    /// @param finalAt Unix time from which it is final; zero if none stands.
    /// @param heldUntil Unix time until which its penalties are held for their mass; zero if not.
    /// @param vetoes How many roots of the window were vetoed, at most 2.
    /// @param waived Whether the guardian waived its penalties.
    struct Window {
        bytes27 root;
        uint40 finalAt;
        uint40 heldUntil;
        uint8 vetoes;
        bool waived;
    }

    /// @notice How an epoch stands with its attestors.
    /// @param PENDING No root stands, and there is still time for one.
    /// @param REPORTED A root stands, final or not; once it is final, reports can be shown.
    /// @param MISSING A root stands and the time to show reports is over.
    /// @param BLACKOUT No root was posted in time, or both were vetoed: the attestors' own outage.
    enum Status {
        PENDING,
        REPORTED,
        MISSING,
        BLACKOUT
    }

    /// @notice How a window's penalties stand.
    /// @param CLAIMABLE They can be paid.
    /// @param HELD Not yet: the root is not final, or so many capacities are in penalty at once that
    /// a fault of the attestors has to be ruled out first.
    /// @param WAIVED Never: the guardian found such a fault.
    enum Penalties {
        CLAIMABLE,
        HELD,
        WAIVED
    }

    /// @param setId The new set, counted from 1.
    /// @param members Its members, rising, from time 0 on.
    /// @param threshold Signatures it needs.
    /// @param config Its rules.
    event AttestorSetCreated(
        uint256 indexed setId,
        address[] members,
        uint256 threshold,
        SetConfig config
    );
    /// @param setId The set.
    /// @param members Its members, rising, from `holdsFrom` on.
    /// @param threshold Signatures it needs from then on.
    /// @param holdsFrom Unix time from which they hold: windows that end then or later are theirs.
    event MembersScheduled(
        uint256 indexed setId,
        address[] members,
        uint256 threshold,
        uint256 holdsFrom
    );
    /// @param guardian Who may veto and waive from now on; zero for nobody.
    event GuardianSet(address indexed guardian);
    /// @param setId The set.
    /// @param window The window.
    /// @param root Merkle root of the window's reports, all 256 bits of it.
    /// @param capacities Distinct capacities reported on.
    /// @param penalized Those of them in penalty.
    /// @param finalAt Unix time from which it is final, unless it is vetoed before.
    /// @param leavesURI Where the reports are published.
    event RootPosted(
        uint256 indexed setId,
        uint256 indexed window,
        bytes32 root,
        uint32 capacities,
        uint32 penalized,
        uint256 finalAt,
        string leavesURI
    );
    /// @param setId The set.
    /// @param window The window.
    /// @param disputer Who disputes it.
    /// @param root What stands, the first 216 bits of it.
    /// @param evidenceURI What he says against it.
    event RootDisputed(
        uint256 indexed setId,
        uint256 indexed window,
        address indexed disputer,
        bytes27 root,
        string evidenceURI
    );
    /// @param setId The set.
    /// @param window The window.
    /// @param root What stood, the first 216 bits of it.
    /// @param repostEnds Unix time until which another root is taken; zero after the second veto.
    event RootVetoed(
        uint256 indexed setId,
        uint256 indexed window,
        bytes27 root,
        uint256 repostEnds
    );
    /// @param setId The set.
    /// @param window The window whose penalties nobody will have to pay.
    event PenaltiesWaived(uint256 indexed setId, uint256 indexed window);

    /// @dev No set has this id.
    error UnknownSet(uint256 setId);
    /// @dev Members must be 1 … 32 non-zero addresses in strictly rising order; `index` is the first that is not.
    error BadMembers(uint256 count, uint256 index);
    /// @dev The threshold or a field of the configuration lies outside `min` … `max`.
    error SetOutOfRange(bytes32 field, uint256 value, uint256 min, uint256 max);
    /// @dev Only the guardian may do this.
    error NotGuardian(address caller);
    /// @dev No window holds time 0: the first one begins after it.
    error NoWindow();
    /// @dev The window has not ended: it does at `endsAt` (2^256 − 1 if that is beyond all time).
    error WindowOpen(uint256 setId, uint256 window, uint256 endsAt);
    /// @dev The time to post a root, or another one after a veto, ended at `deadline`.
    error WindowClosed(uint256 setId, uint256 window, uint256 deadline);
    /// @dev Two roots of the window were vetoed. There will be no third.
    error WindowVetoed(uint256 setId, uint256 window);
    /// @dev A root stands already; only a veto removes it.
    error RootExists(uint256 setId, uint256 window, bytes27 root);
    /// @dev The first 216 bits of the root are zero.
    error RootZero();
    /// @dev There must be at least one capacity, and no more in penalty than there are.
    error BadCounts(uint256 capacities, uint256 penalized);
    /// @dev The statement was signed for another attempt than the one that is due.
    error WrongAttempt(uint256 setId, uint256 window, uint256 attempt, uint256 due);
    /// @dev Fewer signatures than the threshold.
    error QuorumNotReached(uint256 given, uint256 needed);
    /// @dev Signers must be strictly rising: `signer` at `index` is not, or stands twice.
    error SignersNotOrdered(uint256 index, address signer);
    /// @dev `signer` is no member of the set at the time that counts.
    error NotAttestor(uint256 setId, address signer);
    /// @dev The signature is not `signer`'s over this digest, or its s is in the upper half.
    error BadSignature(address signer);
    /// @dev No root stands for the window.
    error NoRoot(uint256 setId, uint256 window);
    /// @dev The root has been final since `finalAt`.
    error RootFinal(uint256 setId, uint256 window, uint256 finalAt);
    /// @dev Too few capacities are in penalty for the window's penalties to be held.
    error NotMass(uint256 setId, uint256 window);
    /// @dev The window's penalties could be waived until `heldUntil`.
    error HoldEnded(uint256 setId, uint256 window, uint256 heldUntil);
    /// @dev They have been waived.
    error AlreadyWaived(uint256 setId, uint256 window);

    /// @notice Creates an attestor set. Owner only.
    /// @dev Its rules can never be changed; its members can, see `scheduleMembers`.
    /// @param members EOAs or ERC-1271 contracts, strictly rising, 1 … 32. They hold from time 0 on.
    /// @param threshold Signatures it needs, 1 … number of members.
    /// @param config See the struct for bounds.
    /// @return setId The id, counted from 1.
    function createSet(
        address[] calldata members,
        uint256 threshold,
        SetConfig calldata config
    ) external returns (uint256 setId);

    /// @notice Announces other members for a set, who hold `MEMBER_DELAY` from now on. Owner only.
    /// @dev What is scheduled cannot be taken back: a further schedule follows, `MEMBER_DELAY` after
    /// its own announcement; of two in one block the later one holds. Whoever signs for a window that
    /// has ended cannot be changed any more.
    /// @param setId The set.
    /// @param members As in `createSet`.
    /// @param threshold Signatures it needs from then on, 1 … number of members.
    function scheduleMembers(uint256 setId, address[] calldata members, uint256 threshold) external;

    /// @notice Names who may veto roots and waive mass penalties. Owner only.
    /// @param newGuardian Zero for nobody.
    function setGuardian(address newGuardian) external;

    /// @notice Posts the root of a window. Anyone may bring it; the signatures decide.
    /// @dev Signed is EIP-712 `TelemetryRoot(uint256 setId,uint256 window,bytes32 root,uint32
    /// capacities,uint32 penalized,string leavesURI,uint8 attempt)`, without line breaks, under this
    /// chain and contract (domain "Derrick Telemetry", version "1"), by members in force at the
    /// window's end. A member counts once; every attestation given must be good, also those above the
    /// threshold. Gas grows with the attestations, and with what contracts among them spend.
    /// @param statement What was signed: a window that has ended and whose deadline is not over.
    /// @param attestations At least the threshold, by members, strictly rising by signer.
    function postRoot(
        TelemetryRoot calldata statement,
        Attestation[] calldata attestations
    ) external;

    /// @notice Files a dispute over a root that is not final: an event for the guardian, nothing else.
    /// Anyone may.
    /// @param setId The set.
    /// @param window A window whose root can still be vetoed.
    /// @param evidenceURI What speaks against it.
    function dispute(uint256 setId, uint256 window, string calldata evidenceURI) external;

    /// @notice Deletes a root that is not final. Guardian only.
    /// @dev The first veto allows one more root until E + 2·P + F, also where the first deadline is
    /// over; that leaves at least P. The second is a blackout at once.
    /// @param setId The set.
    /// @param window A window with a root that is not final.
    function veto(uint256 setId, uint256 window) external;

    /// @notice Waives the penalties of a window in which a mass of capacities failed at once, not its
    /// credits. Guardian only, once, from posting until `massDelay` after finality.
    /// @param setId The set.
    /// @param window A window with `penalized` ≥ `massMinimum` and
    /// `penalized` × 10,000 > `massShareBps` × `capacities`.
    function waivePenalties(uint256 setId, uint256 window) external;

    /// @notice Reverts unless a quorum of the set's members now in force has signed `digest`.
    /// @param setId The set.
    /// @param digest What was signed; the caller sees to it that it cannot be signed for anything else.
    /// @param attestations At least the threshold, by members, strictly rising by signer.
    function requireQuorum(
        uint256 setId,
        bytes32 digest,
        Attestation[] calldata attestations
    ) external view;

    /// @notice What stands for a window: zeros if nothing does. Reads one word of storage.
    /// @dev Reports may be shown while `finalAt` ≤ now < (window + 1) × `windowLength` + `revealSpan`.
    /// @return root The first 216 bits of the root.
    /// @return finalAt Unix time from which it is final; until then it may be vetoed.
    function standingRootOf(
        uint256 setId,
        uint256 window
    ) external view returns (bytes27 root, uint40 finalAt);

    /// @notice The times of a set, in seconds. Reverts with `UnknownSet`.
    /// @return windowLength Of a window.
    /// @return revealSpan From a window's end until no report can be shown: 2·(P + F) + V.
    /// @return revealPeriod V: for as long after that a penalty held back may be added.
    function periodsOf(
        uint256 setId
    ) external view returns (uint24 windowLength, uint32 revealSpan, uint24 revealPeriod);

    /// @notice How the epoch that ended at `epochEnd` stands. Never reverts: a set that does not exist
    /// answers BLACKOUT, and so does time 0; an epoch that has not ended is PENDING.
    /// @dev Once MISSING or BLACKOUT, for good.
    function statusOf(uint256 setId, uint256 epochEnd) external view returns (Status);

    /// @notice How the penalties of a window stand. Reverts with `NoRoot` where no root does.
    /// @return state CLAIMABLE and WAIVED are for good once the root is final.
    /// @return heldUntil Unix time from which they are claimable unless waived: that of finality, and
    /// `massDelay` more for a mass of them.
    function penaltiesOf(
        uint256 setId,
        uint256 window
    ) external view returns (Penalties state, uint256 heldUntil);

    /// @notice All about a window: zeros if nothing ever was posted.
    function windowInfo(uint256 setId, uint256 window) external view returns (Window memory);

    /// @notice The window that holds `epochEnd`. Reverts with `UnknownSet` or, at 0, `NoWindow`.
    function windowOf(uint256 setId, uint256 epochEnd) external view returns (uint256);

    /// @notice Members now in force and rules of a set. Reverts with `UnknownSet`.
    function setOf(
        uint256 setId
    ) external view returns (address[] memory members, uint256 threshold, SetConfig memory config);

    /// @notice Who is in force at a time, past or future, as far as is known now. Reverts with
    /// `UnknownSet`.
    function membersAt(
        uint256 setId,
        uint256 time
    ) external view returns (address[] memory members, uint256 threshold);

    /// @notice How many sets there are; their ids are 1 … this.
    function setCount() external view returns (uint256);

    /// @notice Who may veto roots and waive mass penalties; zero for nobody.
    function guardian() external view returns (address);

    /// @notice Seconds between the announcement of other members and their force: 7 days.
    function MEMBER_DELAY() external view returns (uint256);

    /// @notice What attestors sign for a root.
    function digestOf(TelemetryRoot calldata statement) external view returns (bytes32);
}
