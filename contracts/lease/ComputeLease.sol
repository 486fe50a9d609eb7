// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {Checkpoints} from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";
import {ERC721} from "solady/tokens/ERC721.sol";
import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {LibCall} from "solady/utils/LibCall.sol";
import {Multicallable} from "solady/utils/Multicallable.sol";
import {SafeCastLib} from "solady/utils/SafeCastLib.sol";
import {SafeTransferLib} from "solady/utils/SafeTransferLib.sol";
import {IComputeCapacity} from "interfaces/IComputeCapacity.sol";
import {IComputeLease} from "interfaces/IComputeLease.sol";
import {ILeaseRenderer} from "interfaces/ILeaseRenderer.sol";
import {ITelemetryOracle} from "interfaces/ITelemetryOracle.sol";
import {EpochClock} from "../libraries/EpochClock.sol";
import {SlaSchedule} from "../libraries/SlaSchedule.sol";
import {Calendar} from "./Calendar.sol";
import {Funding} from "./Funding.sol";
import {LeaseBook} from "./LeaseBook.sol";
import {LeaseEdits} from "./LeaseEdits.sol";

/// @title The lease of compute
/// @notice See IComputeLease for the whole documentation.
contract ComputeLease is IComputeLease, LeaseBook, Multicallable {
    using Calendar for mapping(uint256 word => uint256 lanes);
    using Checkpoints for Checkpoints.Trace224;
    using FixedPointMathLib for uint256;
    using Funding for Lease;
    using SafeCastLib for uint256;
    using SafeTransferLib for address;

    bytes4 internal constant ERC4907_ID = 0xad092b5c;
    bytes4 internal constant ERC4906_ID = 0x49064906;

    /// @inheritdoc IComputeLease
    address public immutable EDITS;
    /// @inheritdoc IComputeLease
    ILeaseRenderer public immutable RENDERER;

    /// @dev Ending, splitting, merging and users are LeaseEdits' code, run on this contract's storage
    /// with the caller's own input; what it answers is the answer.
    modifier byEdits() {
        _;
        _runEdits();
    }

    /// @param capacity Deeds, prices and terms.
    /// @param telemetry What the attestors say; where the deeds look attestor sets up.
    /// @param edits The code of `ILeaseEdits`, made for the same two. Nobody can ever change it.
    /// @param renderer What draws leases.
    constructor(
        IComputeCapacity capacity,
        ITelemetryOracle telemetry,
        LeaseEdits edits,
        ILeaseRenderer renderer
    ) LeaseBook(capacity, telemetry) {
        require(
            edits.CAPACITY() == capacity && edits.TELEMETRY() == telemetry,
            ForeignModule(address(edits))
        );
        require(address(renderer) != address(0), BadReceiver(address(0)));
        EDITS = address(edits);
        RENDERER = renderer;
    }

    // ------------------------------------------------------------------ signing

    /// @inheritdoc IComputeLease
    function lease(LeaseRequest calldata request) external returns (uint256 leaseId) {
        (IComputeCapacity.Offer memory offer, Lease memory signed, uint256 paid) = _draft(request);
        return _sign(request, offer, signed, paid);
    }

    /// @inheritdoc IComputeLease
    function leaseEvicting(
        LeaseRequest calldata request,
        uint256[] calldata victims
    ) external returns (uint256 leaseId) {
        (IComputeCapacity.Offer memory offer, Lease memory signed, uint256 paid) = _draft(request);
        bytes memory evict = abi.encodeCall(
            LeaseEdits.evict,
            (request, offer.rent, offer.units, victims)
        );
        bool evicted = abi.decode(LibCall.delegateCallContract(EDITS, evict), (bool));
        leaseId = _sign(request, offer, signed, paid);
        if (evicted) _setExtraData(leaseId, HAS_EVICTED);
    }

    /// @inheritdoc IComputeLease
    function leaseWithPermit(
        LeaseRequest calldata request,
        Permit calldata permit
    ) external returns (uint256 leaseId) {
        (IComputeCapacity.Offer memory offer, Lease memory signed, uint256 paid) = _draft(request);
        _permit(offer.stablecoin, permit);
        return _sign(request, offer, signed, paid);
    }

    /// @inheritdoc IComputeLease
    function permitStablecoin(uint256 capacity, Permit calldata permit) external {
        (, address stablecoin) = CAPACITY.payeeOf(capacity);
        _permit(stablecoin, permit);
    }

    /// @dev Whoever sees a permit can bring it first; what counts is the allowance that then stands.
    function _permit(address stablecoin, Permit calldata permit) internal {
        try
            IERC20Permit(stablecoin).permit(
                msg.sender,
                address(this),
                permit.value,
                permit.deadline,
                permit.v,
                permit.r,
                permit.s
            )
        // solhint-disable-next-line no-empty-blocks
        {} catch {}
    }

    function _sign(
        LeaseRequest calldata request,
        IComputeCapacity.Offer memory offer,
        Lease memory signed,
        uint256 paid
    ) internal returns (uint256 leaseId) {
        // Effect
        uint256 capacity = request.capacity;
        leaseId = _nextLeaseId(capacity, paid);
        _calendars[capacity].reserve(signed.start, signed.end, signed.units, offer.units);
        int256 rate = int256(_rateOf(signed)); // below 2^103
        _rentDeltas[capacity][signed.start] += rate;
        _rentDeltas[capacity][signed.fundedTo] -= rate;
        _leases[leaseId] = signed;
        _mint(request.tenant, leaseId);
        emit Leased(leaseId, capacity, request.tenant, msg.sender, signed, paid);

        // Interaction
        offer.stablecoin.safeTransferFrom(msg.sender, address(this), paid);
    }

    /// @dev The lease as it would be signed, and what for. Checks everything that can be wrong with a
    /// request but its payment and the free units.
    function _draft(
        LeaseRequest calldata request
    )
        internal
        view
        returns (IComputeCapacity.Offer memory offer, Lease memory signed, uint256 paid)
    {
        require(
            request.tenant != address(0) && request.tenant != address(this),
            BadReceiver(request.tenant)
        );
        uint256 start = request.start;
        uint256 end = request.end;
        offer = CAPACITY.offerOf(request.capacity, request.term, start, end, request.units);
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
        require(start >= earliest, StartPassed(start, earliest));
        require(
            start < end && end <= offer.lifetimeEpochs,
            BadRange(start, end, offer.lifetimeEpochs)
        );
        uint256 length = end - start;
        require(
            length >= offer.minEpochs && length <= offer.maxEpochs,
            LengthOutsideTerm(length, offer.minEpochs, offer.maxEpochs)
        );
        require(offer.rent <= request.maxRent, RentAboveMax(offer.rent, request.maxRent));

        uint256 deposit = FixedPointMathLib.min(offer.depositEpochs, length);
        (uint256 epochs, uint256 fundedTo) = Funding.atSigning(
            start,
            end,
            offer.noticeEpochs,
            deposit
        );
        paid = offer.rent * request.units * epochs;
        // All bounded above: epochs below 2^17, units below 2^15, terms below 2^8, the deposit by the
        // length; rent below 2^88 by the deeds.
        signed = Lease({
            start: uint32(start),
            end: uint32(end),
            fundedTo: uint32(fundedTo),
            creditedTo: uint32(start),
            units: uint16(request.units),
            term: uint8(request.term),
            depositEpochs: uint16(deposit),
            rent: uint88(offer.rent)
        });
    }

    // ------------------------------------------------------------------ paying on

    /// @inheritdoc IComputeLease
    function topUp(uint256 leaseId, uint256 epochs) external returns (uint256 paid) {
        // Check
        Lease memory signed = _leaseOf(leaseId);
        uint256 capacity = capacityOf(leaseId);
        _requireNotLapsed(leaseId, signed, _earliest(capacity));
        uint256 max = signed.open();
        require(epochs != 0 && epochs <= max, BadTopUp(leaseId, epochs, max));

        // Effect
        uint256 rate = _rateOf(signed);
        paid = rate * epochs;
        uint256 fundedTo = epochs == max ? signed.end : signed.fundedTo + epochs;
        _moveFunding(capacity, signed.fundedTo, fundedTo, rate);
        _intakes[capacity].paidIn += paid.toUint224();
        _leases[leaseId].fundedTo = uint32(fundedTo); // at most its end
        emit ToppedUp(leaseId, msg.sender, fundedTo, paid);
        emit MetadataUpdate(leaseId);

        // Interaction
        (, address stablecoin) = CAPACITY.payeeOf(capacity);
        stablecoin.safeTransferFrom(msg.sender, address(this), paid);
    }

    // ------------------------------------------------------------------ edits, by the module

    // Its functions, with inputs that are passed on as they are. See ILeaseEdits.
    // solhint-disable no-empty-blocks

    function lapse(uint256 leaseId) external byEdits returns (uint256 bounty) {}

    function terminate(uint256 leaseId) external byEdits returns (Settlement memory moved) {}

    function exitForCause(uint256 leaseId) external byEdits returns (Settlement memory moved) {}

    function preempt(uint256 leaseId) external byEdits returns (Settlement memory moved) {}

    function splitUnits(uint256 leaseId, uint256 units) external byEdits returns (uint256 part) {}

    function splitAt(uint256 leaseId, uint256 epoch) external byEdits returns (uint256 part) {}

    function merge(uint256 leaseId, uint256 part) external byEdits {}

    function setUser(uint256 tokenId, address user, uint64 expires) external byEdits {}

    function renounceUser(uint256 leaseId) external byEdits {}

    // solhint-enable no-empty-blocks

    /// @dev Returns, or reverts, with what the module answers.
    function _runEdits() internal {
        address edits = EDITS;
        assembly ("memory-safe") {
            let input := mload(0x40)
            calldatacopy(input, 0, calldatasize())
            let passed := delegatecall(gas(), edits, input, calldatasize(), 0, 0)
            returndatacopy(input, 0, returndatasize())
            if passed {
                return(input, returndatasize())
            }
            revert(input, returndatasize())
        }
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
        ledger.nextEpoch = to.toUint24();
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
            nextEpoch: uint24(epoch + 1), // at most the lifetime
            rate: rent.toUint104(),
            earned: (ledger.earned + rent - creditUp).toUint128()
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
        // Check
        uint256 creditedTo;
        (amount, creditedTo) = _creditOf(leaseId, _leaseOf(leaseId));
        _requireTenant(leaseId);
        require(receiver != address(0) && receiver != address(this), BadReceiver(receiver));
        if (amount == 0) return 0;

        // Effect
        _leases[leaseId].creditedTo = uint32(creditedTo); // at most the lease's end
        uint256 capacity = capacityOf(leaseId);
        Outflow memory outflow = _outflows[capacity];
        outflow.creditsPaid += amount.toUint128();
        _pay(capacity, outflow);
        emit CreditClaimed(leaseId, receiver, creditedTo, amount);

        // Interaction
        (, address stablecoin) = CAPACITY.payeeOf(capacity);
        stablecoin.safeTransfer(receiver, amount);
    }

    /// @inheritdoc IComputeLease
    function withdrawRefund(
        address stablecoin,
        address receiver
    ) external returns (uint256 amount) {
        // Check
        require(receiver != address(0) && receiver != address(this), BadReceiver(receiver));
        amount = _refunds[stablecoin][msg.sender];
        if (amount == 0) return 0;

        // Effect
        delete _refunds[stablecoin][msg.sender];
        emit RefundWithdrawn(stablecoin, msg.sender, receiver, amount);

        // Interaction
        stablecoin.safeTransfer(receiver, amount);
    }

    // ------------------------------------------------------------------ using

    /// @inheritdoc IComputeLease
    function userOf(uint256 tokenId) external view returns (address user) {
        (user, ) = _userOf(tokenId);
    }

    /// @inheritdoc IComputeLease
    function userExpires(uint256 tokenId) external view returns (uint256) {
        return _uses[tokenId].expires;
    }

    /// @inheritdoc IComputeLease
    function isActive(uint256 leaseId, address who) external view returns (bool) {
        Lease memory signed = _leases[leaseId];
        if (signed.end == 0) return false;
        uint256 earliest = _earliest(capacityOf(leaseId));
        if (earliest <= signed.start || earliest > signed.fundedTo) return false;
        (address user, ) = _userOf(leaseId);
        return who == (user == address(0) ? _ownerOf(leaseId) : user);
    }

    /// @inheritdoc IComputeLease
    function stateOf(uint256 leaseId) public view returns (bytes32) {
        Lease memory signed = _leaseOf(leaseId);
        (address user, uint256 expires) = _userOf(leaseId);
        return keccak256(abi.encode(signed, user, expires));
    }

    /// @inheritdoc IComputeLease
    function transferFrom(
        address from,
        address to,
        uint256 leaseId,
        bytes32 expectedState
    ) external {
        bytes32 state = stateOf(leaseId);
        require(state == expectedState, StateChanged(leaseId, state, expectedState));
        transferFrom(from, to, leaseId);
    }

    // ------------------------------------------------------------------ views

    /// @inheritdoc IComputeLease
    function leaseOf(uint256 leaseId) external view returns (Lease memory) {
        return _leaseOf(leaseId);
    }

    /// @inheritdoc IComputeLease
    function capacityOf(uint256 leaseId) public pure returns (uint256) {
        return _capacityOf(leaseId);
    }

    /// @inheritdoc IComputeLease
    function quote(
        LeaseRequest calldata request
    ) external view returns (uint256 rent, uint256 paid, uint256 missing) {
        IComputeCapacity.Offer memory offer;
        (offer, , paid) = _draft(request);
        rent = offer.rent;
        uint256 used = _calendars[request.capacity].peak(request.start, request.end);
        missing = (used + request.units).zeroFloorSub(offer.units).min(request.units);
    }

    /// @inheritdoc IComputeLease
    function terminationOf(uint256 leaseId) external view returns (Settlement memory) {
        Lease memory signed = _leaseOf(leaseId);
        uint256 earliest = _earliest(capacityOf(leaseId));
        _requireNotLapsed(leaseId, signed, earliest);
        return signed.endedByTenant(_noticedEnd(leaseId, signed, earliest));
    }

    /// @inheritdoc IComputeLease
    function depositOf(uint256 leaseId) external view returns (uint256) {
        Lease memory signed = _leaseOf(leaseId);
        return _rateOf(signed) * signed.held();
    }

    /// @inheritdoc IComputeLease
    function creditOf(uint256 leaseId) external view returns (uint256 amountDown) {
        (amountDown, ) = _creditOf(leaseId, _leaseOf(leaseId));
    }

    /// @inheritdoc IComputeLease
    function refundOf(address stablecoin, address account) external view returns (uint256) {
        return _refunds[stablecoin][account];
    }

    /// @inheritdoc IComputeLease
    function hasEvicted(uint256 leaseId) external view returns (bool) {
        return _getExtraData(leaseId) == HAS_EVICTED;
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
    function occupancyOf(
        uint256 capacity,
        uint256 from,
        uint256 to
    ) external view returns (uint256 peak, uint256 unitEpochs) {
        return _calendars[capacity].occupancy(from, to);
    }

    /// @inheritdoc IComputeLease
    function rentDeltaAt(uint256 capacity, uint256 epoch) external view returns (int256) {
        return _rentDeltas[capacity][epoch];
    }

    /// @inheritdoc IComputeLease
    function creditSumBelow(uint256 capacity, uint256 epoch) external view returns (uint256) {
        return _creditSumBelow(capacity, epoch);
    }

    /// @inheritdoc IComputeLease
    function nextEpochToBegin(uint256 capacity) external view returns (uint256) {
        return _earliest(capacity);
    }

    /// @inheritdoc ERC721
    function tokenURI(uint256 leaseId) public view override returns (string memory) {
        _leaseOf(leaseId);
        return RENDERER.leaseURI(this, leaseId);
    }

    /// @inheritdoc ERC721
    function supportsInterface(bytes4 id) public view override returns (bool) {
        return id == ERC4907_ID || id == ERC4906_ID || super.supportsInterface(id);
    }
}
