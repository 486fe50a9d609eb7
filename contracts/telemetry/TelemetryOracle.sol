// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {Ownable} from "solady/auth/Ownable.sol";
import {ECDSA} from "solady/utils/ECDSA.sol";
import {EIP712} from "solady/utils/EIP712.sol";
import {EfficientHashLib} from "solady/utils/EfficientHashLib.sol";
import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {MerkleProofLib} from "solady/utils/MerkleProofLib.sol";
import {SignatureCheckerLib} from "solady/utils/SignatureCheckerLib.sol";
import {SSTORE2} from "solady/utils/SSTORE2.sol";
import {ITelemetryOracle} from "interfaces/ITelemetryOracle.sol";

/// @title What the machines did, as a quorum signed it
/// @notice See ITelemetryOracle for the whole documentation.
contract TelemetryOracle is ITelemetryOracle, EIP712, Ownable {
    /// @dev One word, so that whoever settles pays for one read. The members lie as code behind a
    /// pointer: a quorum reads them all at the price of one cold slot.
    struct Rules {
        address members;
        uint24 windowLength;
        uint24 postingPeriod;
        uint24 revealPeriod;
        uint8 threshold;
    }

    uint256 internal constant MAX_MEMBERS = 32;
    uint256 internal constant MIN_PERIOD = 1 hours;
    uint256 internal constant MAX_PERIOD = 30 days;
    uint256 internal constant BPS = 10_000;
    bytes32 internal constant TELEMETRY_ROOT_TYPEHASH = keccak256(
        "TelemetryRoot(uint256 setId,uint256 window,bytes32 root,string leavesURI)"
    );

    /// @inheritdoc ITelemetryOracle
    uint256 public setCount;
    /// @dev `windowLength` is 0 exactly where the set does not exist.
    mapping(uint256 setId => Rules) internal _rules;
    /// @inheritdoc ITelemetryOracle
    mapping(uint256 setId => mapping(uint256 window => bytes32 root)) public rootOf;

    /// @dev Safety rests on: of each set fewer than `threshold` members sign what is not so, and the
    /// members publish what they sign. Liveness rests on nothing: a silent set answers BLACKOUT after
    /// its deadline, for good. The owner can only add sets; it cannot touch one, nor a root.
    /// @param owner Who adds sets: a Safe behind a timelock on a real network.
    constructor(address owner) {
        _initializeOwner(owner);
    }

    /// @inheritdoc ITelemetryOracle
    function createSet(
        address[] calldata members,
        SetConfig calldata config
    ) external onlyOwner returns (uint256 setId) {
        _requireMembers(members);
        _requireWithin("threshold", config.threshold, 1, members.length);
        _requireWithin("windowLength", config.windowLength, MIN_PERIOD, MAX_PERIOD);
        _requireWithin("postingPeriod", config.postingPeriod, MIN_PERIOD, MAX_PERIOD);
        _requireWithin("revealPeriod", config.revealPeriod, MIN_PERIOD, MAX_PERIOD);

        setId = ++setCount;
        _rules[setId] = Rules({
            members: SSTORE2.write(abi.encode(members)),
            windowLength: config.windowLength,
            postingPeriod: config.postingPeriod,
            revealPeriod: config.revealPeriod,
            threshold: config.threshold
        });
        emit AttestorSetCreated(setId, members, config);
    }

    /// @inheritdoc ITelemetryOracle
    function postRoot(
        uint256 setId,
        uint256 window,
        bytes32 root,
        string calldata leavesURI,
        Attestation[] calldata attestations
    ) external {
        Rules storage rules = _existing(setId);
        uint256 endsAt = _endOf(window, rules.windowLength);
        require(block.timestamp >= endsAt, WindowOpen(setId, window, endsAt));
        uint256 deadline = endsAt + rules.postingPeriod;
        require(block.timestamp < deadline, WindowClosed(setId, window, deadline));
        require(root != 0, RootZero());
        bytes32 standing = rootOf[setId][window];
        require(standing == 0, RootExists(setId, window, standing));
        _requireQuorum(setId, rules, digestOf(setId, window, root, leavesURI), attestations);

        rootOf[setId][window] = root;
        emit RootPosted(setId, window, root, leavesURI);
    }

    /// @inheritdoc ITelemetryOracle
    function verify(
        uint256 setId,
        uint256 epochEnd,
        Report calldata report,
        bytes32[] calldata proof
    ) external view {
        Rules storage rules = _existing(setId);
        require(report.uptimeBps <= BPS, ReportOutOfRange("uptimeBps", report.uptimeBps));
        require(report.loadBps <= BPS, ReportOutOfRange("loadBps", report.loadBps));

        uint256 window = _windowOf(epochEnd, rules.windowLength);
        bytes32 root = rootOf[setId][window];
        require(root != 0, NoRoot(setId, window));
        uint256 deadline =
            _endOf(window, rules.windowLength) + rules.postingPeriod + rules.revealPeriod;
        require(block.timestamp < deadline, RevealClosed(setId, window, deadline));

        bytes32 leaf = leafOf(report);
        require(MerkleProofLib.verifyCalldata(proof, root, leaf), NotInRoot(setId, window, leaf));
    }

    /// @inheritdoc ITelemetryOracle
    function statusOf(uint256 setId, uint256 epochEnd) external view returns (Status) {
        Rules storage rules = _rules[setId];
        if (rules.windowLength == 0 || epochEnd == 0) return Status.BLACKOUT;
        // Its window ends later still. Beyond here no sum can overflow.
        if (block.timestamp < epochEnd) return Status.PENDING;

        uint256 window = _windowOf(epochEnd, rules.windowLength);
        uint256 deadline = _endOf(window, rules.windowLength) + rules.postingPeriod;
        if (rootOf[setId][window] == 0) {
            return block.timestamp < deadline ? Status.PENDING : Status.BLACKOUT;
        }
        deadline += rules.revealPeriod;
        return block.timestamp < deadline ? Status.REPORTED : Status.MISSING;
    }

    /// @inheritdoc ITelemetryOracle
    function requireQuorum(
        uint256 setId,
        bytes32 digest,
        Attestation[] calldata attestations
    ) external view {
        _requireQuorum(setId, _existing(setId), digest, attestations);
    }

    /// @inheritdoc ITelemetryOracle
    function requireSet(uint256 setId) external view {
        _existing(setId);
    }

    /// @inheritdoc ITelemetryOracle
    function windowOf(uint256 setId, uint256 epochEnd) external view returns (uint256) {
        return _windowOf(epochEnd, _existing(setId).windowLength);
    }

    /// @inheritdoc ITelemetryOracle
    function setOf(
        uint256 setId
    ) external view returns (address[] memory members, SetConfig memory config) {
        Rules storage rules = _existing(setId);
        members = _membersAt(rules.members);
        config = SetConfig({
            threshold: rules.threshold,
            windowLength: rules.windowLength,
            postingPeriod: rules.postingPeriod,
            revealPeriod: rules.revealPeriod
        });
    }

    /// @inheritdoc ITelemetryOracle
    function leafOf(Report calldata report) public pure returns (bytes32) {
        return EfficientHashLib.hash(keccak256(abi.encode(report)));
    }

    /// @inheritdoc ITelemetryOracle
    function digestOf(
        uint256 setId,
        uint256 window,
        bytes32 root,
        string calldata leavesURI
    ) public view returns (bytes32) {
        bytes32 uriHash = keccak256(bytes(leavesURI));
        return
            _hashTypedData(
                keccak256(abi.encode(TELEMETRY_ROOT_TYPEHASH, setId, window, root, uriHash))
            );
    }

    /// @dev Signers and members both rise, so one pass over each settles order and membership.
    function _requireQuorum(
        uint256 setId,
        Rules storage rules,
        bytes32 digest,
        Attestation[] calldata attestations
    ) internal view {
        uint256 count = attestations.length;
        require(count >= rules.threshold, QuorumNotReached(count, rules.threshold));

        address[] memory members = _membersAt(rules.members);
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
        return
            ECDSA.tryRecoverCalldata(digest, signature) == signer ||
            SignatureCheckerLib.isValidERC1271SignatureNowCalldata(signer, digest, signature);
    }

    function _requireMembers(address[] calldata members) internal pure {
        uint256 count = members.length;
        require(count != 0, BadMembers(0, 0));
        require(count <= MAX_MEMBERS, BadMembers(count, MAX_MEMBERS));
        address last;
        for (uint256 i; i < count; ++i) {
            require(members[i] > last, BadMembers(count, i));
            last = members[i];
        }
    }

    function _requireWithin(bytes32 field, uint256 value, uint256 min, uint256 max) internal pure {
        require(value >= min && value <= max, SetOutOfRange(field, value, min, max));
    }

    function _existing(uint256 setId) internal view returns (Rules storage rules) {
        rules = _rules[setId];
        require(rules.windowLength != 0, UnknownSet(setId));
    }

    function _membersAt(address pointer) internal view returns (address[] memory) {
        return abi.decode(SSTORE2.read(pointer), (address[]));
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
