// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {ERC721} from "solady/tokens/ERC721.sol";
import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {SafeCastLib} from "solady/utils/SafeCastLib.sol";
import {IComputeCapacity} from "interfaces/IComputeCapacity.sol";
import {ILeaseTypes} from "interfaces/ILeaseTypes.sol";
import {IServiceBond} from "interfaces/IServiceBond.sol";
import {ITelemetryOracle} from "interfaces/ITelemetryOracle.sol";
import {Calendar} from "./Calendar.sol";
import {CreditSums} from "./CreditSums.sol";
import {Funding} from "./Funding.sol";
import {Ledger} from "./Ledger.sol";
import {Level, levelOf} from "./Level.sol";
import {Meter} from "./Meter.sol";
import {Reading} from "./Reading.sol";

/// @title What the lease engine and its modules keep, and the steps that they share
/// @dev ComputeLease runs LeaseEdits and LeaseSettlement by delegatecall: all inherit this first and
/// nothing else with storage, so that they agree on every slot.
abstract contract LeaseBook is ILeaseTypes, ERC721 {
    using Calendar for mapping(uint256 word => uint256 lanes);
    using FixedPointMathLib for uint256;
    using Funding for Lease;
    using SafeCastLib for uint256;

    uint256 internal constant BPS = 1e4;
    /// @dev A lease's id is its capacity's times this plus a count, so that it can be read by people.
    uint256 internal constant IDS_PER_CAPACITY = 1e9;
    /// @dev Epochs in a word of claimed penalties.
    uint256 internal constant CLAIMS_PER_WORD = 256;
    /// @dev Beside a token's owner: the lease took units from others.
    uint96 internal constant HAS_EVICTED = 1;

    /// @dev What signing a lease writes beside it: one word. `paidIn` is what tenants paid in, less
    /// what was credited to refunds: below 2^30 leases of 2^112 each. No epoch from `leasedTo` on is
    /// leased. `barred` is the ledger's `inPenalty`, here so that signing need not read that.
    struct Intake {
        uint32 leases;
        uint24 leasedTo;
        bool barred;
        uint192 paidIn;
    }

    /// @dev What has left: to the payee and, as credits, back to the tenants.
    struct Outflow {
        uint128 released;
        uint128 creditsPaid;
    }

    /// @dev All that settling a healthy epoch needs of a capacity: three words and the changes of its rent.
    /// `level` is a copy of what never changes, made at the first settlement: later calls save one.
    /// To `rentDeltas` a lease adds its rent where it starts and takes it off where its funding ends: an
    /// epoch's total is the sum of all changes up to it, whoever signed them.
    struct Service {
        Level level;
        Ledger ledger;
        Meter meter;
        mapping(uint256 epoch => int256) rentDeltas;
    }

    /// @dev Who was granted the use of a lease, up to and including the second `expires`: one word.
    struct Use {
        address user;
        uint64 expires;
    }

    /// @inheritdoc ILeaseTypes
    IComputeCapacity public immutable CAPACITY;
    /// @inheritdoc ILeaseTypes
    ITelemetryOracle public immutable TELEMETRY;
    /// @inheritdoc ILeaseTypes
    IServiceBond public immutable BOND;

    /// @dev One word each; see `_leaseAt` and `_write`.
    mapping(uint256 leaseId => uint256 word) internal _leases;
    mapping(uint256 leaseId => Use) internal _uses;
    mapping(uint256 capacity => Service) internal _services;
    mapping(uint256 capacity => Intake) internal _intakes;
    mapping(uint256 capacity => Outflow) internal _outflows;
    mapping(uint256 capacity => mapping(uint256 word => uint256 lanes)) internal _calendars;
    /// @dev Of reports shown before their epoch's turn.
    mapping(uint256 capacity => mapping(uint256 epoch => Reading)) internal _records;
    mapping(uint256 capacity => CreditSums) internal _creditSums;
    mapping(address stablecoin => mapping(address account => uint256)) internal _refunds;
    mapping(uint256 capacity => mapping(uint256 epoch => Penalty)) internal _penalties;
    /// @dev Penalties that a lease, or what it was split off, has claimed: 256 epochs to a word.
    mapping(uint256 leaseId => mapping(uint256 word => uint256 bits)) internal _penaltyClaims;
    /// @dev How many epochs of 30 days the operator has given to the grid.
    mapping(uint256 capacity => mapping(uint256 month => uint256)) internal _curtailments;

    constructor(IComputeCapacity capacity, ITelemetryOracle telemetry, IServiceBond bond) {
        require(address(capacity) != address(0), BadReceiver(address(0)));
        require(address(bond.CAPACITY()) == address(capacity), ForeignModule(address(bond)));
        address known = address(capacity.TELEMETRY());
        require(address(telemetry) == known, ForeignOracle(address(telemetry), known));
        CAPACITY = capacity;
        TELEMETRY = telemetry;
        BOND = bond;
    }

    // ------------------------------------------------------------------ looking up

    function _leaseOf(uint256 leaseId) internal view returns (Lease memory signed) {
        signed = _leaseAt(leaseId);
        require(signed.end != 0, UnknownLease(leaseId));
    }

    function _capacityOf(uint256 leaseId) internal pure returns (uint256) {
        return leaseId / IDS_PER_CAPACITY;
    }

    function _requireTenant(uint256 leaseId) internal view {
        require(_isApprovedOrOwner(msg.sender, leaseId), NotTenant(leaseId, msg.sender));
    }

    function _requireNotLapsed(
        uint256 leaseId,
        Lease memory signed,
        uint256 earliest
    ) internal pure {
        require(!signed.isLapsed(earliest), LeaseLapsed(leaseId, signed.fundedTo));
    }

    /// @dev The service level of a capacity, from the copy if there is one.
    function _levelAt(uint256 capacity) internal view returns (Level level) {
        level = _services[capacity].level;
        if (!level.isKnown()) level = levelOf(CAPACITY.serviceLevelOf(capacity));
    }

    /// @dev The first epoch that has not begun: what edits may touch, and no other.
    function _earliest(uint256 capacity) internal view returns (uint256) {
        return _levelAt(capacity).firstUnbegun();
    }

    /// @dev Rent per epoch of all its units: below 2^103.
    function _rateOf(Lease memory signed) internal pure returns (uint256) {
        return uint256(signed.rent) * signed.units;
    }

    function _userOf(uint256 leaseId) internal view returns (address user, uint256 expires) {
        Use memory use = _uses[leaseId];
        if (block.timestamp <= use.expires) return (use.user, use.expires);
    }

    /// @dev Where notice given now would end the lease.
    function _noticedEnd(
        uint256 leaseId,
        Lease memory signed,
        uint256 earliest
    ) internal view returns (uint256 stop) {
        (IComputeCapacity.Term memory term, ) = CAPACITY.termOf(_capacityOf(leaseId), signed.term);
        stop = earliest.max(signed.start) + term.noticeEpochs;
        if (_getExtraData(leaseId) == HAS_EVICTED) stop = stop.max(uint256(signed.start) + 1);
        require(stop < signed.end, LeaseOver(leaseId, signed.end));
    }

    /// @dev All zeros if there is none.
    function _leaseAt(uint256 leaseId) internal view returns (Lease memory signed) {
        uint256 word = _leases[leaseId];
        // Each field is cut to the width of its place.
        signed.start = uint32(word);
        signed.end = uint32(word >> 32);
        signed.fundedTo = uint32(word >> 64);
        signed.creditedTo = uint32(word >> 96);
        signed.units = uint16(word >> 128);
        signed.term = uint8(word >> 144);
        signed.depositEpochs = uint16(word >> 152);
        signed.rent = uint88(word >> 168);
    }

    /// @dev In one write, where the compiler would make one a field.
    function _write(uint256 leaseId, Lease memory signed) internal {
        _leases[leaseId] =
            uint256(signed.start) |
            (uint256(signed.end) << 32) |
            (uint256(signed.fundedTo) << 64) |
            (uint256(signed.creditedTo) << 96) |
            (uint256(signed.units) << 128) |
            (uint256(signed.term) << 144) |
            (uint256(signed.depositEpochs) << 152) |
            (uint256(signed.rent) << 168);
    }

    // ------------------------------------------------------------------ steps of both

    /// @param intake The capacity's, which the caller writes back.
    function _nextLeaseId(
        uint256 capacity,
        Intake memory intake
    ) internal pure returns (uint256 leaseId) {
        intake.leases += 1;
        require(intake.leases < IDS_PER_CAPACITY, TooManyLeases(capacity));
        return capacity * IDS_PER_CAPACITY + intake.leases;
    }

    /// @dev The lease's rent ends at `to` and no longer at `from`.
    function _moveFunding(uint256 capacity, uint256 from, uint256 to, uint256 rate) internal {
        if (from != to) _moveRent(capacity, from, to, rate);
    }

    /// @dev The rent rises at `from` and falls at `to`. Unchecked: 2^30 leases of less than 2^103 each,
    /// a few changes each epoch, cannot fill the word.
    function _moveRent(uint256 capacity, uint256 from, uint256 to, uint256 rate) internal {
        mapping(uint256 epoch => int256) storage deltas = _services[capacity].rentDeltas;
        unchecked {
            deltas[from] += int256(rate);
            deltas[to] -= int256(rate);
        }
    }

    /// @dev Writes what has left, and makes sure that no capacity ever draws on another's money.
    function _pay(uint256 capacity, Outflow memory outflow) internal {
        _requireCovered(capacity, _intakes[capacity].paidIn, outflow);
        _outflows[capacity] = outflow;
    }

    function _requireCovered(
        uint256 capacity,
        uint256 paidIn,
        Outflow memory outflow
    ) internal pure {
        uint256 paidOut = uint256(outflow.released) + outflow.creditsPaid;
        require(paidOut <= paidIn, Overdrawn(capacity, paidIn, paidOut));
    }

    function _creditSumBelow(uint256 capacity, uint256 epoch) internal view returns (uint256) {
        return _creditSums[capacity].sumBelow(epoch.toUint32());
    }

    /// @dev What the lease's credits come to, rounded down, and the epoch up to which they are counted.
    function _creditOf(
        uint256 leaseId,
        Lease memory signed
    ) internal view returns (uint256 amountDown, uint256 creditedTo) {
        uint256 capacity = _capacityOf(leaseId);
        creditedTo = FixedPointMathLib.min(
            signed.fundedTo,
            _services[capacity].ledger.nextEpochOf()
        );
        if (creditedTo <= signed.creditedTo) return (0, signed.creditedTo);
        uint256 bps =
            _creditSumBelow(capacity, creditedTo) - _creditSumBelow(capacity, signed.creditedTo);
        amountDown = _rateOf(signed).mulDiv(bps, BPS);
    }

    // ------------------------------------------------------------------ the token

    /// @dev A lease that stood in this contract could never be moved again.
    function _beforeTokenTransfer(address, address to, uint256) internal view override {
        require(to != address(this), BadReceiver(to));
    }

    /// @inheritdoc ERC721
    function name() public pure override returns (string memory) {
        return "Derrick Compute Lease";
    }

    /// @inheritdoc ERC721
    function symbol() public pure override returns (string memory) {
        return "DLEASE";
    }

    /// @inheritdoc ERC721
    function tokenURI(uint256) public view virtual override returns (string memory);
}
