// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

/// @title What the machines did, as a quorum signed it
/// @notice Attestors of a set sign, per window of time, the Merkle root of one report per capacity
/// and epoch. One signature quorum stands for a whole fleet.
/// @dev Window `k` of a set holds the epochs that end in (k·W, (k + 1)·W], W = `windowLength`
/// seconds, counted from the Unix epoch. So an epoch has exactly one window. All periods are half
/// open: a root is taken while end ≤ now < end + posting, a report while a root stands and
/// now < end + posting + reveal, `end` being (k + 1)·W.
interface ITelemetryOracle {
    /// @notice What one capacity did in one epoch: a leaf of the tree.
    /// @param capacity The capacity.
    /// @param epoch The epoch of that capacity.
    /// @param uptimeBps Share of the epoch in which it ran, in bps, at most 10,000.
    /// @param loadBps Mean load while it ran, in bps, at most 10,000.
    /// @param energyWh Energy used, in watt-hours.
    /// @param curtailed Whether the grid operator asked for the pause.
    struct Report {
        uint256 capacity;
        uint32 epoch;
        uint16 uptimeBps;
        uint16 loadBps;
        uint64 energyWh;
        bool curtailed;
    }

    /// @notice A member's signature. Sorted by `signer`, strictly rising, in every list.
    /// @param signer The member: a key, or a contract that answers ERC-1271.
    /// @param signature 65 bytes (r, s, v) or 64 bytes (EIP-2098) of a key; whatever a contract wants.
    struct Attestation {
        address signer;
        bytes signature;
    }

    /// @notice How an epoch stands with its attestors.
    /// @param PENDING No root yet, and there is still time for one.
    /// @param REPORTED A root stands; leaves can still be shown.
    /// @param MISSING A root stands and the time to show leaves is over.
    /// @param BLACKOUT No root was posted in time: the attestors' own outage.
    enum Status {
        PENDING,
        REPORTED,
        MISSING,
        BLACKOUT
    }

    /// @notice Who attests, and by when.
    /// @param threshold Signatures a root needs, 1 … number of members.
    /// @param windowLength Seconds in a window, 1 hour … 30 days.
    /// @param postingPeriod Seconds after a window's end in which its root can be posted, 1 hour … 30 days.
    /// @param revealPeriod Seconds after that in which leaves can be shown, 1 hour … 30 days.
    struct SetConfig {
        uint8 threshold;
        uint24 windowLength;
        uint24 postingPeriod;
        uint24 revealPeriod;
    }

    /// @param setId The new set, counted from 1.
    /// @param members Its members, rising.
    /// @param config Its rules.
    event AttestorSetCreated(uint256 indexed setId, address[] members, SetConfig config);
    /// @param setId The set.
    /// @param window The window.
    /// @param root Merkle root of the window's reports.
    /// @param leavesURI Where the reports are published.
    event RootPosted(uint256 indexed setId, uint256 indexed window, bytes32 root, string leavesURI);

    /// @dev No set has this id.
    error UnknownSet(uint256 setId);
    /// @dev Members must be 1 … 32 non-zero addresses in strictly rising order; `index` is the first that is not.
    error BadMembers(uint256 count, uint256 index);
    /// @dev A field of the set's configuration lies outside `min` … `max`.
    error SetOutOfRange(bytes32 field, uint256 value, uint256 min, uint256 max);
    /// @dev No window holds time 0: the first one begins after it.
    error NoWindow();
    /// @dev The window has not ended: it does at `endsAt` (2^256 − 1 if that is beyond all time).
    error WindowOpen(uint256 setId, uint256 window, uint256 endsAt);
    /// @dev The time to post a root ended at `deadline`.
    error WindowClosed(uint256 setId, uint256 window, uint256 deadline);
    /// @dev A root stands already; it is never replaced.
    error RootExists(uint256 setId, uint256 window, bytes32 root);
    /// @dev The root is zero.
    error RootZero();
    /// @dev Fewer signatures than the set's threshold.
    error QuorumNotReached(uint256 given, uint256 needed);
    /// @dev Signers must be strictly rising: `signer` at `index` is not, or stands twice.
    error SignersNotOrdered(uint256 index, address signer);
    /// @dev `signer` is no member of the set.
    error NotAttestor(uint256 setId, address signer);
    /// @dev The signature is not `signer`'s over this root.
    error BadSignature(address signer);
    /// @dev No root stands for the window, so no report can be shown.
    error NoRoot(uint256 setId, uint256 window);
    /// @dev The time to show reports of the window ended at `deadline`.
    error RevealClosed(uint256 setId, uint256 window, uint256 deadline);
    /// @dev The report is not in the tree of the window's root.
    error NotInRoot(uint256 setId, uint256 window, bytes32 leaf);
    /// @dev A share above 10,000 bps, whoever signed it.
    error ReportOutOfRange(bytes32 field, uint256 value);

    /// @notice Creates an attestor set for good. Owner only.
    /// @dev Nobody can change a set, its owner neither: a capacity that named it keeps it.
    /// @param members EOAs or ERC-1271 contracts, strictly rising, 1 … 32.
    /// @param config See the struct for bounds.
    /// @return setId The id, counted from 1.
    function createSet(
        address[] calldata members,
        SetConfig calldata config
    ) external returns (uint256 setId);

    /// @notice Posts the root of a window. Anyone may bring it; the signatures decide.
    /// @dev Signed is EIP-712 `TelemetryRoot(uint256 setId,uint256 window,bytes32 root,string leavesURI)`
    /// under this chain and contract (domain "Derrick Telemetry", version "1"). A member counts once,
    /// whatever other signatures of his exist; every attestation given must be good, also those
    /// above the threshold. Gas grows with the attestations, and with what contracts among them spend.
    /// @param setId The set that signed.
    /// @param window The window, ended and not past its deadline.
    /// @param root Merkle root of the window's reports, not zero.
    /// @param leavesURI Where the reports are published; best content-addressed.
    /// @param attestations At least the threshold, by members, strictly rising by signer.
    function postRoot(
        uint256 setId,
        uint256 window,
        bytes32 root,
        string calldata leavesURI,
        Attestation[] calldata attestations
    ) external;

    /// @notice Reverts unless a quorum of the set has signed `digest`.
    /// @param digest What was signed; the caller sees to it that it cannot be signed for anything else.
    /// @param attestations At least the threshold, by members, strictly rising by signer.
    function requireQuorum(
        uint256 setId,
        bytes32 digest,
        Attestation[] calldata attestations
    ) external view;

    /// @notice Reverts unless `report` is in the root of the window that holds `epochEnd`, and the
    /// time to show it is not over.
    /// @dev The oracle knows no capacities: the caller must derive `setId` and `epochEnd` from the
    /// capacity and epoch that the report names, and not let anyone choose them.
    /// @param setId The capacity's attestor set.
    /// @param epochEnd Unix time at which the reported epoch ended.
    /// @param report The leaf.
    /// @param proof Its siblings, bottom up.
    function verify(
        uint256 setId,
        uint256 epochEnd,
        Report calldata report,
        bytes32[] calldata proof
    ) external view;

    /// @notice How the epoch that ended at `epochEnd` stands. Never reverts: a set that does not exist
    /// answers BLACKOUT, and so does time 0; an epoch that has not ended is PENDING.
    /// @dev REPORTED exactly where `verify` takes a good report. Once MISSING or BLACKOUT, for good.
    function statusOf(uint256 setId, uint256 epochEnd) external view returns (Status);

    /// @notice Reverts with `UnknownSet` unless the set exists.
    function requireSet(uint256 setId) external view;

    /// @notice How many sets there are; their ids are 1 … this.
    function setCount() external view returns (uint256);

    /// @notice The window that holds `epochEnd`. Reverts with `UnknownSet` or, at 0, `NoWindow`.
    function windowOf(uint256 setId, uint256 epochEnd) external view returns (uint256);

    /// @notice The root of a window; zero if none.
    function rootOf(uint256 setId, uint256 window) external view returns (bytes32);

    /// @notice Members and rules of a set. Reverts with `UnknownSet`.
    function setOf(
        uint256 setId
    ) external view returns (address[] memory members, SetConfig memory config);

    /// @notice The double hash of a report, as it stands in the tree.
    /// @dev keccak256(bytes.concat(keccak256(abi.encode(report)))), and pairs are hashed sorted, as
    /// OpenZeppelin's StandardMerkleTree does. An inner node is one hash of two words, a leaf a hash
    /// of one, so no node can pass for a leaf.
    function leafOf(Report calldata report) external pure returns (bytes32);

    /// @notice What attestors sign for a root.
    function digestOf(
        uint256 setId,
        uint256 window,
        bytes32 root,
        string calldata leavesURI
    ) external view returns (bytes32);
}
