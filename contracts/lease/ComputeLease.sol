// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {Checkpoints} from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";
import {ERC721} from "solady/tokens/ERC721.sol";
import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {LibString} from "solady/utils/LibString.sol";
import {SafeCastLib} from "solady/utils/SafeCastLib.sol";
import {SafeTransferLib} from "solady/utils/SafeTransferLib.sol";
import {IComputeCapacity} from "interfaces/IComputeCapacity.sol";
import {IComputeLease} from "interfaces/IComputeLease.sol";
import {ITelemetryOracle} from "interfaces/ITelemetryOracle.sol";
import {EpochClock} from "../libraries/EpochClock.sol";
import {SlaSchedule} from "../libraries/SlaSchedule.sol";
import {Calendar} from "./Calendar.sol";

/// @title The lease of compute
/// @notice See IComputeLease for the whole documentation.
contract ComputeLease is IComputeLease, ERC721 {
    using Calendar for mapping(uint256 word => uint256 lanes);
    using Checkpoints for Checkpoints.Trace224;
    using FixedPointMathLib for uint256;
    using SafeCastLib for uint256;
    using SafeTransferLib for address;

    uint256 internal constant BPS = 1e4;
    /// @dev A lease's id is its capacity's times this plus a count, so that it can be read by people.
    uint256 internal constant IDS_PER_CAPACITY = 1e9;

    /// @dev All that settling an epoch writes: one word. `earned` is below 2^103 of rent an epoch
    /// times 2^17 epochs.
    struct Ledger {
        uint32 nextEpoch;
        uint104 rate;
        uint120 earned;
    }

    /// @dev What tenants paid in.
    struct Intake {
        uint32 leases;
        uint224 paidIn;
    }

    /// @dev What has left: to the payee and back to the tenants.
    struct Outflow {
        uint128 released;
        uint128 creditsPaid;
    }

    /// @dev A report shown before its epoch's turn: one word.
    struct Record {
        bool shown;
        uint16 uptimeBps;
        uint16 loadBps;
        uint64 energyWh;
    }

    IComputeCapacity public immutable CAPACITY;
    ITelemetryOracle public immutable TELEMETRY;

    mapping(uint256 leaseId => Lease) internal _leases;
    mapping(uint256 capacity => Ledger) internal _ledgers;
    /// @dev A copy of what never changes, made at the first settlement: later ones save a call.
    mapping(uint256 capacity => IComputeCapacity.ServiceLevel) internal _levels;
    mapping(uint256 capacity => Intake) internal _intakes;
    mapping(uint256 capacity => Outflow) internal _outflows;
    mapping(uint256 capacity => mapping(uint256 word => uint256 lanes)) internal _calendars;
    /// @dev A lease adds its rent where it starts and takes it off where its funding ends: an epoch's
    /// total is the sum of all changes up to it, whoever signed them.
    mapping(uint256 capacity => mapping(uint256 epoch => int256)) internal _rentDeltas;
    mapping(uint256 capacity => mapping(uint256 epoch => Record)) internal _records;
    /// @dev Running sum of credits in bps, keyed by the first epoch after the credited one.
    mapping(uint256 capacity => Checkpoints.Trace224) internal _creditSums;

    /// @param capacity Deeds, prices and terms.
    /// @param telemetry What the attestors say; where the deeds look attestor sets up.
    constructor(IComputeCapacity capacity, ITelemetryOracle telemetry) {
        require(address(capacity) != address(0), BadReceiver(address(0)));
        address known = address(capacity.TELEMETRY());
        require(address(telemetry) == known, ForeignOracle(address(telemetry), known));
        CAPACITY = capacity;
        TELEMETRY = telemetry;
    }

    // ------------------------------------------------------------------ leasing

    /// @inheritdoc IComputeLease
    function lease(LeaseRequest calldata request) external returns (uint256 leaseId) {
        // Check
        (IComputeCapacity.Offer memory offer, uint256 paid) = _price(request);

        // Effect
        uint256 capacity = request.capacity;
        Intake memory intake = _intakes[capacity];
        uint32 count = intake.leases + 1;
        require(count < IDS_PER_CAPACITY, TooManyLeases(capacity));
        leaseId = capacity * IDS_PER_CAPACITY + count;
        _intakes[capacity] = Intake({leases: count, paidIn: intake.paidIn + paid.toUint224()});
        _calendars[capacity].reserve(request.start, request.end, request.units, offer.units);
        int256 rate = int256(offer.rent * request.units); // below 2^103
        _rentDeltas[capacity][request.start] += rate;
        _rentDeltas[capacity][request.end] -= rate;
        // All bounded by `_price`: epochs below 2^17, units below 2^15, terms below 2^8, rent below 2^88.
        Lease memory signed = Lease({
            start: uint32(request.start),
            end: uint32(request.end),
            fundedTo: uint32(request.end),
            creditedTo: uint32(request.start),
            units: uint16(request.units),
            term: uint8(request.term),
            rent: uint88(offer.rent)
        });
        _leases[leaseId] = signed;
        _mint(request.tenant, leaseId);
        emit Leased(leaseId, capacity, request.tenant, msg.sender, signed, paid);

        // Interaction
        offer.stablecoin.safeTransferFrom(msg.sender, address(this), paid);
    }

    /// @dev Everything that can be wrong with a request but its payment and the free units.
    function _price(
        LeaseRequest calldata request
    ) internal view returns (IComputeCapacity.Offer memory offer, uint256 total) {
        require(
            request.tenant != address(0) && request.tenant != address(this),
            BadReceiver(request.tenant)
        );
        offer = CAPACITY.offerOf(request.capacity, request.term);
        require(offer.open, CapacityClosed(request.capacity));
        require(
            request.units != 0 && request.units <= offer.units,
            BadUnits(request.units, offer.units)
        );
        uint256 earliest = EpochClock.firstUnbegun(
            offer.origin,
            offer.epochLength,
            block.timestamp
        );
        require(request.start >= earliest, StartPassed(request.start, earliest));
        require(
            request.start < request.end && request.end <= offer.lifetimeEpochs,
            BadRange(request.start, request.end, offer.lifetimeEpochs)
        );
        uint256 length = request.end - request.start;
        require(
            length >= offer.minEpochs && length <= offer.maxEpochs,
            LengthOutsideTerm(length, offer.minEpochs, offer.maxEpochs)
        );
        require(offer.rent <= request.maxRent, RentAboveMax(offer.rent, request.maxRent));
        total = offer.rent * request.units * length;
    }

    // ------------------------------------------------------------------ settling

    /// @inheritdoc IComputeLease
    function settle(ITelemetryOracle.Report calldata report, bytes32[] calldata proof) external {
        uint256 capacity = report.capacity;
        IComputeCapacity.ServiceLevel memory level = _levelOf(capacity);
        (uint256 epoch, uint256 endsAt) = _nextEnded(capacity, level);
        require(report.epoch == epoch, NotNextEpoch(capacity, report.epoch, epoch));
        TELEMETRY.verify(level.attestorSet, endsAt, report, proof);

        _closeReported(
            capacity,
            epoch,
            level.tiers,
            Record(true, report.uptimeBps, report.loadBps, report.energyWh)
        );
    }

    /// @inheritdoc IComputeLease
    function record(ITelemetryOracle.Report calldata report, bytes32[] calldata proof) external {
        // Check
        uint256 capacity = report.capacity;
        uint256 epoch = report.epoch;
        IComputeCapacity.ServiceLevel memory level = _levelOf(capacity);
        uint256 next = _ledgers[capacity].nextEpoch;
        require(epoch >= next, NotNextEpoch(capacity, epoch, next));
        require(epoch < level.lifetimeEpochs, BadRange(epoch, epoch + 1, level.lifetimeEpochs));
        Record storage slot = _records[capacity][epoch];
        require(!slot.shown, AlreadyRecorded(capacity, epoch));
        uint256 endsAt = _endedAt(capacity, level, epoch);
        TELEMETRY.verify(level.attestorSet, endsAt, report, proof);

        // Effect
        _records[capacity][epoch] = Record(true, report.uptimeBps, report.loadBps, report.energyWh);
        emit ReportRecorded(capacity, epoch, report.uptimeBps, report.loadBps, report.energyWh);
    }

    /// @inheritdoc IComputeLease
    function settleMissing(uint256 capacity) external {
        IComputeCapacity.ServiceLevel memory level = _levelOf(capacity);
        (uint256 epoch, uint256 endsAt) = _nextEnded(capacity, level);
        Record memory shown = _records[capacity][epoch];
        if (shown.shown) return _closeReported(capacity, epoch, level.tiers, shown);
        ITelemetryOracle.Status status = TELEMETRY.statusOf(level.attestorSet, endsAt);
        require(
            status == ITelemetryOracle.Status.MISSING || status == ITelemetryOracle.Status.BLACKOUT,
            ReportStillPossible(capacity, epoch, status)
        );

        // No proof, no pay; but tenants do not gain from an outage of the attestors.
        (uint256 rent, uint256 creditBps, uint256 credit) = _close(
            capacity,
            epoch,
            status == ITelemetryOracle.Status.MISSING ? BPS : level.blackoutCreditBps
        );
        emit EpochSettled(capacity, epoch, rent, creditBps, credit, status, 0, 0, 0);
    }

    /// @inheritdoc IComputeLease
    function passIdle(uint256 capacity, uint256 to) external {
        IComputeCapacity.ServiceLevel memory level = _levelOf(capacity);
        Ledger storage ledger = _ledgers[capacity];
        uint256 from = ledger.nextEpoch;
        if (to <= from) return;
        require(to <= level.lifetimeEpochs, BadRange(from, to, level.lifetimeEpochs));
        _endedAt(capacity, level, to - 1);
        uint256 used = _calendars[capacity].firstUsed(from, to);
        require(used == to, EpochNotIdle(capacity, used));

        // Nothing leased, nothing owed: every rent that was running has ended by `from`.
        ledger.nextEpoch = to.toUint32();
        ledger.rate = 0;
        emit IdleEpochsPassed(capacity, from, to);
    }

    /// @dev The next epoch to settle, which must be over.
    function _nextEnded(
        uint256 capacity,
        IComputeCapacity.ServiceLevel memory level
    ) internal view returns (uint256 epoch, uint256 endsAt) {
        epoch = _ledgers[capacity].nextEpoch;
        require(epoch < level.lifetimeEpochs, LifetimeSettled(capacity));
        endsAt = _endedAt(capacity, level, epoch);
    }

    /// @dev When the epoch ended, which it must have.
    function _endedAt(
        uint256 capacity,
        IComputeCapacity.ServiceLevel memory level,
        uint256 epoch
    ) internal view returns (uint256 endsAt) {
        endsAt = EpochClock.endOf(level.origin, level.epochLength, epoch);
        require(block.timestamp >= endsAt, EpochNotEnded(capacity, epoch, endsAt));
    }

    function _closeReported(
        uint256 capacity,
        uint256 epoch,
        uint256 tiers,
        Record memory report
    ) internal {
        (uint256 rent, uint256 creditBps, uint256 credit) = _close(
            capacity,
            epoch,
            SlaSchedule.creditFor(tiers, report.uptimeBps)
        );
        emit EpochSettled(
            capacity,
            epoch,
            rent,
            creditBps,
            credit,
            ITelemetryOracle.Status.REPORTED,
            report.uptimeBps,
            report.loadBps,
            report.energyWh
        );
    }

    function _levelOf(
        uint256 capacity
    ) internal returns (IComputeCapacity.ServiceLevel memory level) {
        level = _levels[capacity];
        if (level.epochLength == 0) {
            level = CAPACITY.serviceLevelOf(capacity);
            _levels[capacity] = level;
        }
    }

    /// @dev Closes the epoch for all leases of the capacity at once. No token moves. An epoch without
    /// rent has no credit.
    function _close(
        uint256 capacity,
        uint256 epoch,
        uint256 bps
    ) internal returns (uint256 rent, uint256 creditBps, uint256 creditUp) {
        Ledger memory ledger = _ledgers[capacity];
        rent = uint256(int256(uint256(ledger.rate)) + _rentDeltas[capacity][epoch]);
        if (rent != 0 && bps != 0) {
            creditBps = bps;
            creditUp = rent.mulDivUp(bps, BPS);
            Checkpoints.Trace224 storage sums = _creditSums[capacity];
            // Epochs and their sum of at most 10^4 each are far below the fields' widths.
            sums.push(uint32(epoch + 1), uint224(sums.latest() + bps));
        }
        _ledgers[capacity] = Ledger({
            nextEpoch: uint32(epoch + 1), // at most the lifetime
            rate: rent.toUint104(),
            earned: (ledger.earned + rent - creditUp).toUint120()
        });
    }

    // ------------------------------------------------------------------ paying out

    /// @inheritdoc IComputeLease
    function release(uint256 capacity) external returns (uint256 amount) {
        (address payee, address stablecoin) = CAPACITY.payeeOf(capacity);
        Outflow memory outflow = _outflows[capacity];
        amount = _ledgers[capacity].earned - outflow.released;
        if (amount == 0) return 0;

        outflow.released += amount.toUint128();
        _pay(capacity, outflow);
        emit Released(capacity, payee, amount);
        stablecoin.safeTransfer(payee, amount);
    }

    /// @inheritdoc IComputeLease
    function claimCredit(uint256 leaseId, address receiver) external returns (uint256 amount) {
        uint256 creditedTo;
        (amount, creditedTo) = _creditOf(leaseId);
        require(_isApprovedOrOwner(msg.sender, leaseId), NotTenant(leaseId, msg.sender));
        require(receiver != address(0) && receiver != address(this), BadReceiver(receiver));
        if (amount == 0) return 0;

        _leases[leaseId].creditedTo = uint32(creditedTo); // at most the lease's end
        uint256 capacity = capacityOf(leaseId);
        Outflow memory outflow = _outflows[capacity];
        outflow.creditsPaid += amount.toUint128();
        _pay(capacity, outflow);
        emit CreditClaimed(leaseId, receiver, creditedTo, amount);
        (, address stablecoin) = CAPACITY.payeeOf(capacity);
        stablecoin.safeTransfer(receiver, amount);
    }

    /// @dev Writes what has left, and makes sure that no capacity ever draws on another's money.
    function _pay(uint256 capacity, Outflow memory outflow) internal {
        uint256 paidIn = _intakes[capacity].paidIn;
        uint256 paidOut = uint256(outflow.released) + outflow.creditsPaid;
        require(paidOut <= paidIn, Overdrawn(capacity, paidIn, paidOut));
        _outflows[capacity] = outflow;
    }

    function _creditOf(
        uint256 leaseId
    ) internal view returns (uint256 amountDown, uint256 creditedTo) {
        Lease memory signed = leaseOf(leaseId);
        uint256 capacity = capacityOf(leaseId);
        creditedTo = FixedPointMathLib.min(signed.end, _ledgers[capacity].nextEpoch);
        if (creditedTo <= signed.creditedTo) return (0, signed.creditedTo);
        uint256 bps =
            creditSumBelow(capacity, creditedTo) - creditSumBelow(capacity, signed.creditedTo);
        amountDown = (uint256(signed.rent) * signed.units).mulDiv(bps, BPS);
    }

    // ------------------------------------------------------------------ views

    /// @inheritdoc IComputeLease
    function leaseOf(uint256 leaseId) public view returns (Lease memory signed) {
        signed = _leases[leaseId];
        require(signed.end != 0, UnknownLease(leaseId));
    }

    /// @inheritdoc IComputeLease
    function capacityOf(uint256 leaseId) public pure returns (uint256) {
        return leaseId / IDS_PER_CAPACITY;
    }

    /// @inheritdoc IComputeLease
    function quote(
        LeaseRequest calldata request
    ) external view returns (uint256 rent, uint256 total) {
        IComputeCapacity.Offer memory offer;
        (offer, total) = _price(request);
        rent = offer.rent;
        uint256 used = _calendars[request.capacity].peak(request.start, request.end);
        require(
            used + request.units <= offer.units,
            NotEnoughUnits(request.units, offer.units - used)
        );
    }

    /// @inheritdoc IComputeLease
    function creditOf(uint256 leaseId) external view returns (uint256 amountDown) {
        (amountDown, ) = _creditOf(leaseId);
    }

    /// @inheritdoc IComputeLease
    function earnedOf(uint256 capacity) external view returns (uint256) {
        return _ledgers[capacity].earned;
    }

    /// @inheritdoc IComputeLease
    function revenueOf(uint256 capacity) external view returns (uint256 earned, uint256 released) {
        return (_ledgers[capacity].earned, _outflows[capacity].released);
    }

    /// @inheritdoc IComputeLease
    function settledTo(uint256 capacity) external view returns (uint256 nextEpoch, uint256 rate) {
        return (_ledgers[capacity].nextEpoch, _ledgers[capacity].rate);
    }

    /// @inheritdoc IComputeLease
    function accountOf(
        uint256 capacity
    ) external view returns (uint256 leases, uint256 paidIn, uint256 creditsPaid) {
        Intake memory intake = _intakes[capacity];
        return (intake.leases, intake.paidIn, _outflows[capacity].creditsPaid);
    }

    /// @inheritdoc IComputeLease
    function isRecorded(uint256 capacity, uint256 epoch) external view returns (bool) {
        return _records[capacity][epoch].shown;
    }

    /// @inheritdoc IComputeLease
    function unitsLeasedAt(uint256 capacity, uint256 epoch) external view returns (uint256) {
        return _calendars[capacity].at(epoch);
    }

    /// @inheritdoc IComputeLease
    function peakUnitsLeased(
        uint256 capacity,
        uint256 from,
        uint256 to
    ) external view returns (uint256) {
        return _calendars[capacity].peak(from, to);
    }

    /// @inheritdoc IComputeLease
    function rentDeltaAt(uint256 capacity, uint256 epoch) external view returns (int256) {
        return _rentDeltas[capacity][epoch];
    }

    /// @inheritdoc IComputeLease
    function creditSumBelow(uint256 capacity, uint256 epoch) public view returns (uint256) {
        return _creditSums[capacity].upperLookup(epoch.toUint32());
    }

    /// @inheritdoc IComputeLease
    function nextEpochToBegin(uint256 capacity) external view returns (uint256) {
        IComputeCapacity.ServiceLevel memory level = CAPACITY.serviceLevelOf(capacity);
        return EpochClock.firstUnbegun(level.origin, level.epochLength, block.timestamp);
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
    function tokenURI(uint256 leaseId) public view override returns (string memory) {
        Lease memory signed = leaseOf(leaseId);
        return
            string.concat(
                'data:application/json;utf8,{"name":"Compute lease ',
                LibString.toString(leaseId),
                '","description":"The right to ',
                LibString.toString(signed.units),
                " units of capacity ",
                LibString.toString(capacityOf(leaseId)),
                " for epochs ",
                LibString.toString(signed.start),
                " up to ",
                LibString.toString(signed.end),
                ', and to the credits of this lease."}'
            );
    }
}
