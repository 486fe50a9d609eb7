// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {Checkpoints} from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";
import {Ownable} from "solady/auth/Ownable.sol";
import {ECDSA} from "solady/utils/ECDSA.sol";
import {EIP712} from "solady/utils/EIP712.sol";
import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {SafeCastLib} from "solady/utils/SafeCastLib.sol";
import {SignatureCheckerLib} from "solady/utils/SignatureCheckerLib.sol";
import {SSTORE2} from "solady/utils/SSTORE2.sol";
import {ITelemetryOracle} from "interfaces/ITelemetryOracle.sol";

/// @title What the machines did, as a quorum signed it
/// @notice See ITelemetryOracle for the whole documentation.
contract TelemetryOracle is ITelemetryOracle, EIP712, Ownable {
    using Checkpoints for Checkpoints.Trace160;

    uint256 internal constant MAX_MEMBERS = 32;
    uint256 internal constant MIN_PERIOD = 1 hours;
    uint256 internal constant MAX_PERIOD = 30 days;
    uint256 internal constant MAX_VETOES = 2;
    uint256 internal constant BPS = 10_000;
    bytes32 internal constant TELEMETRY_ROOT_TYPEHASH = keccak256(
        "TelemetryRoot(uint256 setId,uint256 window,bytes32 root,uint32 capacities,"
        "uint32 penalized,string leavesURI,uint8 attempt)"
    );

    /// @inheritdoc ITelemetryOracle
    uint256 public constant MEMBER_DELAY = 7 days;

    /// @inheritdoc ITelemetryOracle
    uint256 public setCount;
    /// @inheritdoc ITelemetryOracle
    address public guardian;
    /// @dev `windowLength` is 0 exactly where the set does not exist.
    mapping(uint256 setId => SetConfig) internal _configs;
    /// @dev Who signs from when on. Threshold and members lie as code behind a pointer: a quorum reads
    /// them all at the price of one cold slot.
    mapping(uint256 setId => Checkpoints.Trace160) internal _members;
    mapping(uint256 setId => mapping(uint256 window => Window)) internal _windows;

    /// @dev Safety rests on: of each set fewer than `threshold` members sign what is not so, and the
    /// members publish what they sign; or the guardian sees it within the finality delay; and the
    /// owner names honest members, which everyone can see for `MEMBER_DELAY` before they sign anything.
    /// Liveness rests on nothing: a silent set, or a guardian who vetoes all, answers BLACKOUT after
    /// its deadline, for good. The guardian can make roots go, never make one; the owner can do
    /// neither.
    /// @param owner Who adds sets: a Safe behind a timelock on a real network.
    constructor(address owner) {
        _initializeOwner(owner);
    }

    // ---- Owner ----------------------------------------------------------------------------------

    /// @inheritdoc ITelemetryOracle
    function createSet(
        address[] calldata members,
        uint256 threshold,
        SetConfig calldata config
    ) external onlyOwner returns (uint256 setId) {
        // Check
        _requirePeriod("windowLength", config.windowLength);
        _requirePeriod("postingPeriod", config.postingPeriod);
        _requirePeriod("finalityDelay", config.finalityDelay);
        _requirePeriod("revealPeriod", config.revealPeriod);
        _requireWithin("massShareBps", config.massShareBps, 1, BPS);
        _requireWithin("massMinimum", config.massMinimum, 1, type(uint16).max);
        _requirePeriod("massDelay", config.massDelay);

        // Effect
        setId = ++setCount;
        _configs[setId] = config;
        _setMembers(setId, members, threshold, 0);
        emit AttestorSetCreated(setId, members, threshold, config);
    }

    /// @inheritdoc ITelemetryOracle
    function scheduleMembers(
        uint256 setId,
        address[] calldata members,
        uint256 threshold
    ) external onlyOwner {
        _existing(setId);
        uint256 holdsFrom = block.timestamp + MEMBER_DELAY;
        _setMembers(setId, members, threshold, holdsFrom);
        emit MembersScheduled(setId, members, threshold, holdsFrom);
    }

    /// @inheritdoc ITelemetryOracle
    function setGuardian(address newGuardian) external onlyOwner {
        guardian = newGuardian;
        emit GuardianSet(newGuardian);
    }

    // ---- Roots ----------------------------------------------------------------------------------

    /// @inheritdoc ITelemetryOracle
    function postRoot(
        TelemetryRoot calldata statement,
        Attestation[] calldata attestations
    ) external {
        // Check
        (uint256 setId, uint256 window) = (statement.setId, statement.window);
        SetConfig storage config = _existing(setId);
        uint256 endsAt = _endOf(window, config.windowLength);
        require(block.timestamp >= endsAt, WindowOpen(setId, window, endsAt));
        _requireSound(statement);
        _requireDue(statement, config, endsAt);
        _requireQuorum(setId, endsAt, digestOf(statement), attestations);

        // Effect
        uint256 finalAt = block.timestamp + config.finalityDelay;
        uint256 heldUntil = _isMass(statement, config) ? finalAt + config.massDelay : 0;
        _windows[setId][window] = Window({
            root: bytes27(statement.root),
            finalAt: SafeCastLib.toUint40(finalAt),
            heldUntil: SafeCastLib.toUint40(heldUntil),
            vetoes: statement.attempt,
            waived: false
        });
        emit RootPosted(
            setId,
            window,
            statement.root,
            statement.capacities,
            statement.penalized,
            finalAt,
            statement.leavesURI
        );
    }

    /// @inheritdoc ITelemetryOracle
    function dispute(uint256 setId, uint256 window, string calldata evidenceURI) external {
        Window storage standing = _requireNotFinal(setId, window);
        emit RootDisputed(setId, window, msg.sender, standing.root, evidenceURI);
    }

    // ---- Guardian -------------------------------------------------------------------------------

    /// @inheritdoc ITelemetryOracle
    function veto(uint256 setId, uint256 window) external {
        // Check
        _requireGuardian();
        Window storage standing = _requireNotFinal(setId, window);

        // Effect
        bytes27 root = standing.root;
        uint8 vetoes = standing.vetoes + 1;
        delete _windows[setId][window];
        standing.vetoes = vetoes;
        SetConfig storage config = _configs[setId];
        uint256 endsAt = _endOf(window, config.windowLength);
        emit RootVetoed(setId, window, root, _postingEnds(config, endsAt, vetoes));
    }

    /// @inheritdoc ITelemetryOracle
    function waivePenalties(uint256 setId, uint256 window) external {
        // Check
        _requireGuardian();
        Window storage standing = _standing(setId, window);
        uint256 heldUntil = standing.heldUntil;
        require(heldUntil != 0, NotMass(setId, window));
        require(block.timestamp < heldUntil, HoldEnded(setId, window, heldUntil));
        require(!standing.waived, AlreadyWaived(setId, window));

        // Effect
        standing.waived = true;
        emit PenaltiesWaived(setId, window);
    }

    // ---- Views ----------------------------------------------------------------------------------

    /// @inheritdoc ITelemetryOracle
    function requireQuorum(
        uint256 setId,
        bytes32 digest,
        Attestation[] calldata attestations
    ) external view {
        _existing(setId);
        _requireQuorum(setId, block.timestamp, digest, attestations);
    }

    /// @inheritdoc ITelemetryOracle
    function standingRootOf(
        uint256 setId,
        uint256 window
    ) external view returns (bytes27 root, uint40 finalAt) {
        Window storage standing = _windows[setId][window];
        return (standing.root, standing.finalAt);
    }

    /// @inheritdoc ITelemetryOracle
    function periodsOf(
        uint256 setId
    ) external view returns (uint24 windowLength, uint32 revealSpan, uint24 revealPeriod) {
        SetConfig storage config = _existing(setId);
        return (config.windowLength, _revealSpan(config), config.revealPeriod);
    }

    /// @inheritdoc ITelemetryOracle
    function statusOf(uint256 setId, uint256 epochEnd) external view returns (Status) {
        SetConfig storage config = _configs[setId];
        if (config.windowLength == 0 || epochEnd == 0) return Status.BLACKOUT;
        // Its window ends later still. Beyond here no sum can overflow.
        if (block.timestamp < epochEnd) return Status.PENDING;

        uint256 window = _windowOf(epochEnd, config.windowLength);
        uint256 endsAt = _endOf(window, config.windowLength);
        Window storage standing = _windows[setId][window];
        if (standing.finalAt != 0) {
            return
                block.timestamp < endsAt + _revealSpan(config) ? Status.REPORTED : Status.MISSING;
        }
        uint256 deadline = _postingEnds(config, endsAt, standing.vetoes);
        return block.timestamp < deadline ? Status.PENDING : Status.BLACKOUT;
    }

    /// @inheritdoc ITelemetryOracle
    function penaltiesOf(
        uint256 setId,
        uint256 window
    ) external view returns (Penalties state, uint256 heldUntil) {
        Window storage standing = _standing(setId, window);
        heldUntil = FixedPointMathLib.max(standing.finalAt, standing.heldUntil);
        if (standing.waived) state = Penalties.WAIVED;
        else if (block.timestamp < heldUntil) state = Penalties.HELD;
    }

    /// @inheritdoc ITelemetryOracle
    function windowInfo(uint256 setId, uint256 window) external view returns (Window memory) {
        return _windows[setId][window];
    }

    /// @inheritdoc ITelemetryOracle
    function windowOf(uint256 setId, uint256 epochEnd) external view returns (uint256) {
        return _windowOf(epochEnd, _existing(setId).windowLength);
    }

    /// @inheritdoc ITelemetryOracle
    function setOf(
        uint256 setId
    ) external view returns (address[] memory members, uint256 threshold, SetConfig memory config) {
        config = _existing(setId);
        (members, threshold) = _membersAt(setId, block.timestamp);
    }

    /// @inheritdoc ITelemetryOracle
    function membersAt(
        uint256 setId,
        uint256 time
    ) external view returns (address[] memory members, uint256 threshold) {
        _existing(setId);
        return _membersAt(setId, time);
    }

    /// @inheritdoc ITelemetryOracle
    function digestOf(TelemetryRoot calldata statement) public view returns (bytes32) {
        return
            _hashTypedData(
                keccak256(
                    abi.encode(
                        TELEMETRY_ROOT_TYPEHASH,
                        statement.setId,
                        statement.window,
                        statement.root,
                        statement.capacities,
                        statement.penalized,
                        keccak256(bytes(statement.leavesURI)),
                        statement.attempt
                    )
                )
            );
    }

    // ---- What is checked ------------------------------------------------------------------------

    function _requireSound(TelemetryRoot calldata statement) internal pure {
        require(bytes27(statement.root) != 0, RootZero());
        (uint256 capacities, uint256 penalized) = (statement.capacities, statement.penalized);
        require(capacities != 0 && penalized <= capacities, BadCounts(capacities, penalized));
    }

    /// @dev Whether the window waits for a root, and for this attempt at one.
    function _requireDue(
        TelemetryRoot calldata statement,
        SetConfig storage config,
        uint256 endsAt
    ) internal view {
        (uint256 setId, uint256 window) = (statement.setId, statement.window);
        Window storage standing = _windows[setId][window];
        require(standing.finalAt == 0, RootExists(setId, window, standing.root));
        uint256 vetoes = standing.vetoes;
        require(vetoes < MAX_VETOES, WindowVetoed(setId, window));
        uint256 attempt = statement.attempt;
        require(attempt == vetoes, WrongAttempt(setId, window, attempt, vetoes));
        uint256 deadline = _postingEnds(config, endsAt, vetoes);
        require(block.timestamp < deadline, WindowClosed(setId, window, deadline));
    }

    /// @dev Signers and members both rise, so one pass over each settles order and membership.
    function _requireQuorum(
        uint256 setId,
        uint256 time,
        bytes32 digest,
        Attestation[] calldata attestations
    ) internal view {
        (address[] memory members, uint256 threshold) = _membersAt(setId, time);
        uint256 count = attestations.length;
        require(count >= threshold, QuorumNotReached(count, threshold));

        uint256 next;
        address last;
        for (uint256 i; i < count; ++i) {
            address signer = attestations[i].signer;
            require(signer > last, SignersNotOrdered(i, signer));
            while (next < members.length && members[next] < signer) ++next;
            require(next < members.length && members[next] == signer, NotAttestor(setId, signer));
            require(_isSignedBy(signer, digest, attestations[i].signature), BadSignature(signer));
            last = signer;
        }
    }

    /// @dev A key first, even where there is code: the key of an account that delegates (EIP-7702)
    /// still speaks for it. No contract's address has a known key. Contracts are called statically,
    /// so they can write nothing, and one that fails, lies or burns its gas is one bad signature.
    function _isSignedBy(
        address signer,
        bytes32 digest,
        bytes calldata signature
    ) internal view returns (bool) {
        if (_hasLowS(signature) && ECDSA.tryRecoverCalldata(digest, signature) == signer) {
            return true;
        }
        return SignatureCheckerLib.isValidERC1271SignatureNowCalldata(signer, digest, signature);
    }

    /// @dev To every signature (r, s) of a key anyone can write (r, N − s). The lower one counts.
    function _hasLowS(bytes calldata signature) internal pure returns (bool) {
        if (signature.length < 64) return false;
        uint256 s = uint256(bytes32(signature[32:64]));
        // EIP-2098 keeps the parity in the top bit.
        if (signature.length == 64) s &= type(uint256).max >> 1;
        return s <= ECDSA.N / 2;
    }

    function _requireGuardian() internal view {
        require(msg.sender == guardian, NotGuardian(msg.sender));
    }

    function _requireNotFinal(
        uint256 setId,
        uint256 window
    ) internal view returns (Window storage standing) {
        standing = _standing(setId, window);
        uint256 finalAt = standing.finalAt;
        require(block.timestamp < finalAt, RootFinal(setId, window, finalAt));
    }

    function _requirePeriod(bytes32 field, uint256 value) internal pure {
        _requireWithin(field, value, MIN_PERIOD, MAX_PERIOD);
    }

    function _requireWithin(bytes32 field, uint256 value, uint256 min, uint256 max) internal pure {
        require(value >= min && value <= max, SetOutOfRange(field, value, min, max));
    }

    // ---- Sets -----------------------------------------------------------------------------------

    function _existing(uint256 setId) internal view returns (SetConfig storage config) {
        config = _configs[setId];
        require(config.windowLength != 0, UnknownSet(setId));
    }

    function _setMembers(
        uint256 setId,
        address[] calldata members,
        uint256 threshold,
        uint256 holdsFrom
    ) internal {
        uint256 count = members.length;
        require(count != 0, BadMembers(0, 0));
        require(count <= MAX_MEMBERS, BadMembers(count, MAX_MEMBERS));
        address last;
        for (uint256 i; i < count; ++i) {
            require(members[i] > last, BadMembers(count, i));
            last = members[i];
        }
        _requireWithin("threshold", threshold, 1, count);
        address pointer = SSTORE2.write(abi.encode(threshold, members));
        // A time is far below 2^96.
        _members[setId].push(uint96(holdsFrom), uint160(pointer));
    }

    /// @dev Of a set that exists. No version begins beyond 2^96.
    function _membersAt(
        uint256 setId,
        uint256 time
    ) internal view returns (address[] memory members, uint256 threshold) {
        uint96 key = uint96(FixedPointMathLib.min(time, type(uint96).max));
        address pointer = address(_members[setId].upperLookupRecent(key));
        (threshold, members) = abi.decode(SSTORE2.read(pointer), (uint256, address[]));
    }

    // ---- Windows --------------------------------------------------------------------------------

    function _standing(
        uint256 setId,
        uint256 window
    ) internal view returns (Window storage standing) {
        standing = _windows[setId][window];
        require(standing.finalAt != 0, NoRoot(setId, window));
    }

    /// @dev So many at once that their penalties are held.
    function _isMass(
        TelemetryRoot calldata statement,
        SetConfig storage config
    ) internal view returns (bool) {
        (uint256 capacities, uint256 penalized) = (statement.capacities, statement.penalized);
        return
            penalized >= config.massMinimum && penalized * BPS > config.massShareBps * capacities;
    }

    /// @dev From when on no root is taken, after that many vetoes. After the last one there is no time.
    function _postingEnds(
        SetConfig storage config,
        uint256 endsAt,
        uint256 vetoes
    ) internal view returns (uint256) {
        if (vetoes == MAX_VETOES) return 0;
        endsAt += config.postingPeriod;
        if (vetoes == 0) return endsAt;
        return endsAt + config.finalityDelay + config.postingPeriod;
    }

    /// @dev At most 150 days.
    function _revealSpan(SetConfig storage config) internal view returns (uint32) {
        return 2 * (uint32(config.postingPeriod) + config.finalityDelay) + config.revealPeriod;
    }

    /// @dev The k with k·W < epochEnd ≤ (k + 1)·W.
    function _windowOf(uint256 epochEnd, uint256 windowLength) internal pure returns (uint256) {
        require(epochEnd != 0, NoWindow());
        return FixedPointMathLib.divUp(epochEnd, windowLength) - 1;
    }

    /// @dev Saturates, so that a window beyond all time has simply not ended.
    function _endOf(uint256 window, uint256 windowLength) internal pure returns (uint256) {
        return
            FixedPointMathLib.saturatingMul(
                FixedPointMathLib.saturatingAdd(window, 1),
                windowLength
            );
    }

    function _domainNameAndVersion()
        internal
        pure
        override
        returns (string memory name, string memory version)
    {
        name = "Derrick Telemetry";
        version = "1";
    }
}
