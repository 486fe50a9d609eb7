// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {ERC721} from "solady/tokens/ERC721.sol";
import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {LibCall} from "solady/utils/LibCall.sol";
import {Multicallable} from "solady/utils/Multicallable.sol";
import {SafeCastLib} from "solady/utils/SafeCastLib.sol";
import {SafeTransferLib} from "solady/utils/SafeTransferLib.sol";
import {IComputeCapacity} from "interfaces/IComputeCapacity.sol";
import {IComputeLease} from "interfaces/IComputeLease.sol";
import {ILeaseRenderer} from "interfaces/ILeaseRenderer.sol";
import {ILeaseSettlement} from "interfaces/ILeaseSettlement.sol";
import {IServiceBond} from "interfaces/IServiceBond.sol";
import {ITelemetryOracle} from "interfaces/ITelemetryOracle.sol";
import {EpochClock} from "../libraries/EpochClock.sol";
import {ReportLeaf} from "../libraries/ReportLeaf.sol";
import {Calendar} from "./Calendar.sol";
import {Funding} from "./Funding.sol";
import {LeaseBook} from "./LeaseBook.sol";
import {LeaseEdits} from "./LeaseEdits.sol";
import {Ledger} from "./Ledger.sol";
import {Level} from "./Level.sol";
import {LeaseSettlement} from "./LeaseSettlement.sol";
import {Reading, readingOf} from "./Reading.sol";
import {Settling} from "./Settling.sol";

/// @title The lease of compute
/// @notice See IComputeLease for the whole documentation.
contract ComputeLease is IComputeLease, Settling, Multicallable {
    using Calendar for mapping(uint256 word => uint256 lanes);
    using FixedPointMathLib for uint256;
    using Funding for Lease;
    using SafeCastLib for uint256;
    using SafeTransferLib for address;

    bytes4 internal constant ERC4907_ID = 0xad092b5c;
    bytes4 internal constant ERC4906_ID = 0x49064906;

    /// @inheritdoc IComputeLease
    address public immutable EDITS;
    /// @inheritdoc IComputeLease
    address public immutable SETTLEMENT;
    /// @inheritdoc IComputeLease
    ILeaseRenderer public immutable RENDERER;

    /// @dev A module's code, run on this contract's storage with the caller's own input; what it
    /// answers is the answer.
    modifier by(address module) {
        _;
        _run(module);
    }

    /// @param capacity Deeds, prices and terms.
    /// @param telemetry What the attestors say; where the deeds look attestor sets up.
    /// @param bond What penalties are paid from.
    /// @param edits The code of `ILeaseEdits`, made for the same three. Nobody can ever change it.
    /// @param settlement The code of `ILeaseSettlement`, likewise.
    /// @param renderer What draws leases.
    constructor(
        IComputeCapacity capacity,
        ITelemetryOracle telemetry,
        IServiceBond bond,
        LeaseEdits edits,
        LeaseSettlement settlement,
        ILeaseRenderer renderer
    ) LeaseBook(capacity, telemetry, bond) {
        _requireOwn(edits);
        _requireOwn(settlement);
        require(address(renderer) != address(0), BadReceiver(address(0)));
        EDITS = address(edits);
        SETTLEMENT = address(settlement);
        RENDERER = renderer;
    }

    function _requireOwn(LeaseBook module) private view {
        require(
            module.CAPACITY() == CAPACITY &&
                module.TELEMETRY() == TELEMETRY &&
                module.BOND() == BOND,
            ForeignModule(address(module))
        );
    }

    // ------------------------------------------------------------------ signing

    /// @inheritdoc IComputeLease
    function lease(LeaseRequest calldata request) external returns (uint256 leaseId) {
        (IComputeCapacity.Offer memory offer, Lease memory signed, uint256 paid) = _draft(request);
        return _sign(request, offer, signed, paid, false);
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
        return _sign(request, offer, signed, paid, evicted);
    }

    /// @inheritdoc IComputeLease
    function leaseWithPermit(
        LeaseRequest calldata request,
        Permit calldata permit
    ) external returns (uint256 leaseId) {
        (IComputeCapacity.Offer memory offer, Lease memory signed, uint256 paid) = _draft(request);
        _permit(offer.stablecoin, permit);
        return _sign(request, offer, signed, paid, false);
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
        uint256 paid,
        bool evicted
    ) internal returns (uint256 leaseId) {
        // Effect
        uint256 capacity = request.capacity;
        Intake memory intake = _intakes[capacity];
        leaseId = _nextLeaseId(capacity, intake);
        intake.paidIn += paid.toUint192();
        if (intake.leasedTo < signed.end) intake.leasedTo = uint24(signed.end); // the lifetime at most
        _intakes[capacity] = intake;
        _calendars[capacity].reserve(signed.start, signed.end, signed.units, offer.units);
        _moveRent(capacity, signed.start, signed.fundedTo, _rateOf(signed));
        _write(leaseId, signed);
        _mint(request.tenant, leaseId);
        if (evicted) _setExtraData(leaseId, HAS_EVICTED);
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
        require(!_intakes[request.capacity].barred, InPenalty(request.capacity));
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
        _intakes[capacity].paidIn += paid.toUint192();
        signed.fundedTo = uint32(fundedTo); // at most its end
        _write(leaseId, signed);
        emit ToppedUp(leaseId, msg.sender, fundedTo, paid);
        emit MetadataUpdate(leaseId);

        // Interaction
        (, address stablecoin) = CAPACITY.payeeOf(capacity);
        stablecoin.safeTransferFrom(msg.sender, address(this), paid);
    }

    // ------------------------------------------------------------------ settling

    /// @inheritdoc ILeaseSettlement
    function settle(ITelemetryOracle.Report calldata report, bytes32[] calldata proof) external {
        // Check
        (uint256 capacity, uint256 reported) = ReportLeaf.subject(report);
        Service storage service = _services[capacity];
        Level level = service.level;
        // Whatever is the capacity's first, or not plainly healthy, is the module's.
        if (!level.isKnown()) _run(SETTLEMENT);
        Ledger ledger = service.ledger;
        (uint256 epoch, uint256 endsAt) = _nextEnded(capacity, level, ledger);
        require(reported == epoch, NotNextEpoch(capacity, reported, epoch));
        Reading reading = readingOf(report, epoch);
        if (!reading.isHealthy(level.healthyBpsOf())) _run(SETTLEMENT);
        _requireShown(level, level.windowOf(endsAt), report, proof);

        // Effect
        _read(service, level, reading);
        uint256 rent = _rentAt(service, epoch, ledger);
        _emitSettled(capacity, rent, reading);
        if (ledger.isInPenalty()) _intakes[capacity].barred = false;
        service.ledger = ledger.closed(rent, rent, false);
    }

    // ------------------------------------------------------------------ by the modules

    // Their functions, with inputs that are passed on as they are. See ILeaseSettlement, ILeaseEdits.
    // solhint-disable no-empty-blocks

    function settleMany(
        bytes32 root,
        ITelemetryOracle.Report[] calldata reports,
        bytes32[] calldata proof,
        bool[] calldata proofFlags
    ) external by(SETTLEMENT) {}

    function record(
        ITelemetryOracle.Report calldata report,
        bytes32[] calldata proof
    ) external by(SETTLEMENT) {}

    function settleMissing(uint256 capacity) external by(SETTLEMENT) {}

    function passIdle(uint256 capacity, uint256 to) external by(SETTLEMENT) {}

    function addPenalty(
        ITelemetryOracle.Report calldata report,
        bytes32[] calldata proof
    ) external by(SETTLEMENT) {}

    function claimPenalty(
        uint256 leaseId,
        uint256 epoch,
        address receiver
    ) external by(SETTLEMENT) returns (uint256 amount) {}

    function freePenalty(
        uint256 capacity,
        uint256 epoch
    ) external by(SETTLEMENT) returns (uint256 amount) {}

    function trim(uint256 capacity, uint256 to) external by(SETTLEMENT) {}

    function lapse(uint256 leaseId) external by(EDITS) returns (uint256 bounty) {}

    function terminate(uint256 leaseId) external by(EDITS) returns (Settlement memory moved) {}

    function exitForCause(uint256 leaseId) external by(EDITS) returns (Settlement memory moved) {}

    function preempt(uint256 leaseId) external by(EDITS) returns (Settlement memory moved) {}

    function splitUnits(uint256 leaseId, uint256 units) external by(EDITS) returns (uint256 part) {}

    function splitAt(uint256 leaseId, uint256 epoch) external by(EDITS) returns (uint256 part) {}

    function merge(uint256 leaseId, uint256 part) external by(EDITS) {}

    function setUser(uint256 tokenId, address user, uint64 expires) external by(EDITS) {}

    function renounceUser(uint256 leaseId) external by(EDITS) {}

    // solhint-enable no-empty-blocks

    /// @dev Returns, or reverts, with what the module answers.
    function _run(address module) internal {
        assembly ("memory-safe") {
            let input := mload(0x40)
            calldatacopy(input, 0, calldatasize())
            let passed := delegatecall(gas(), module, input, calldatasize(), 0, 0)
            returndatacopy(input, 0, returndatasize())
            if passed {
                return(input, returndatasize())
            }
            revert(input, returndatasize())
        }
    }

    // ------------------------------------------------------------------ paying out

    /// @inheritdoc IComputeLease
    function release(uint256 capacity) external returns (uint256 amount) {
        (address payee, address stablecoin) = CAPACITY.payeeOf(capacity);
        Outflow memory outflow = _outflows[capacity];
        amount = _services[capacity].ledger.earnedOf() - outflow.released;
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
        Lease memory signed = _leaseOf(leaseId);
        (amount, creditedTo) = _creditOf(leaseId, signed);
        _requireTenant(leaseId);
        require(receiver != address(0) && receiver != address(this), BadReceiver(receiver));
        if (amount == 0) return 0;

        // Effect
        signed.creditedTo = uint32(creditedTo); // at most the lease's end
        _write(leaseId, signed);
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
        Lease memory signed = _leaseAt(leaseId);
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
    function netRevenueOf(uint256 capacity) external view returns (uint256) {
        return _services[capacity].ledger.earnedOf();
    }

    /// @inheritdoc IComputeLease
    function revenueTotals(
        uint256 capacity
    ) external view returns (uint256 earned, uint256 released) {
        return (_services[capacity].ledger.earnedOf(), _outflows[capacity].released);
    }

    /// @inheritdoc IComputeLease
    function settledTo(uint256 capacity) external view returns (uint256 nextEpoch, uint256 rate) {
        return (_services[capacity].ledger.nextEpochOf(), _services[capacity].ledger.rateOf());
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
        return !_records[capacity][epoch].isNone();
    }

    /// @inheritdoc IComputeLease
    function leasedTo(uint256 capacity) external view returns (uint256) {
        return _intakes[capacity].leasedTo;
    }

    /// @inheritdoc IComputeLease
    function isBarred(uint256 capacity) external view returns (bool) {
        return _intakes[capacity].barred;
    }

    /// @inheritdoc IComputeLease
    function performanceOf(uint256 capacity) external view returns (Performance memory) {
        return _services[capacity].meter.performance();
    }

    /// @inheritdoc IComputeLease
    function penaltyOf(uint256 capacity, uint256 epoch) external view returns (Penalty memory) {
        return _penalties[capacity][epoch];
    }

    /// @inheritdoc IComputeLease
    function claimableOf(uint256 leaseId, uint256 epoch) external view returns (uint256 amount) {
        amount = _penaltyFor(leaseId, _leaseOf(leaseId), epoch);
        if (amount == 0) return 0;
        (ITelemetryOracle.Penalties state, ) = _penaltiesAt(_levelAt(capacityOf(leaseId)), epoch);
        if (state != ITelemetryOracle.Penalties.CLAIMABLE) return 0;
    }

    /// @inheritdoc IComputeLease
    function penaltyDeadlineOf(uint256 capacity, uint256 epoch) external view returns (uint256) {
        Level level = _levelAt(capacity);
        return level.penaltyDeadline(level.windowOf(level.endOf(epoch.toUint32())));
    }

    /// @inheritdoc IComputeLease
    function curtailedIn(uint256 capacity, uint256 month) external view returns (uint256) {
        return _curtailments[capacity][month];
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
        return _services[capacity].rentDeltas[epoch];
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
